package io.cistern.storage.group;

import java.time.Duration;

/// Sizes and times of a node's replicas.
///
/// @param checkpointLogBytes a checkpoint is due after this much log
/// @param checkpointInterval and after this time, if anything changed
/// @param logRetentionBytes of log that each replica keeps for members that are away, beside what
///   it needs itself; less where the file system is short of space. What a member missed while it
///   was away reaches it from the log as far as that goes back; beyond, it copies what changed
/// @param readWait how long a read waits for a replica that is a little behind before STALE
/// @param peerTimeout for one question to another node
/// @param spaceInterval how often a leader asks its members for their space
/// @param catchUpBytesPerSecond throttle of a copy that this node receives; 0: none
/// @param scrubBytesPerSecond speed of the background scrub while nobody else reads or writes
/// @param scrubInterval rest between two background scrubs; zero switches them off
public record GroupTuning(
        long checkpointLogBytes,
        Duration checkpointInterval,
        long logRetentionBytes,
        Duration readWait,
        Duration peerTimeout,
        Duration spaceInterval,
        long catchUpBytesPerSecond,
        long scrubBytesPerSecond,
        Duration scrubInterval) {
    public static final GroupTuning DEFAULT =
            new GroupTuning(
                    64L << 20,
                    Duration.ofSeconds(60),
                    512L << 20,
                    Duration.ofMillis(50),
                    Duration.ofSeconds(3),
                    Duration.ofSeconds(1),
                    0,
                    20L << 20,
                    Duration.ofDays(1));

    public GroupTuning withCheckpointLogBytes(long bytes) {
        return new GroupTuning(
                bytes,
                checkpointInterval,
                logRetentionBytes,
                readWait,
                peerTimeout,
                spaceInterval,
                catchUpBytesPerSecond,
                scrubBytesPerSecond,
                scrubInterval);
    }

    public GroupTuning withLogRetentionBytes(long bytes) {
        return new GroupTuning(
                checkpointLogBytes,
                checkpointInterval,
                bytes,
                readWait,
                peerTimeout,
                spaceInterval,
                catchUpBytesPerSecond,
                scrubBytesPerSecond,
                scrubInterval);
    }

    public GroupTuning withCatchUpBytesPerSecond(long bytes) {
        return new GroupTuning(
                checkpointLogBytes,
                checkpointInterval,
                logRetentionBytes,
                readWait,
                peerTimeout,
                spaceInterval,
                bytes,
                scrubBytesPerSecond,
                scrubInterval);
    }

    public GroupTuning withSpaceInterval(Duration interval) {
        return new GroupTuning(
                checkpointLogBytes,
                checkpointInterval,
                logRetentionBytes,
                readWait,
                peerTimeout,
                interval,
                catchUpBytesPerSecond,
                scrubBytesPerSecond,
                scrubInterval);
    }

    public GroupTuning withScrub(long bytesPerSecond, Duration interval) {
        return new GroupTuning(
                checkpointLogBytes,
                checkpointInterval,
                logRetentionBytes,
                readWait,
                peerTimeout,
                spaceInterval,
                catchUpBytesPerSecond,
                bytesPerSecond,
                interval);
    }
}
