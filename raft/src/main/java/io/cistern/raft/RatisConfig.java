package io.cistern.raft;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.ratis.conf.RaftProperties;
import org.apache.ratis.server.RaftServerConfigKeys;
import org.apache.ratis.util.SizeInBytes;
import org.apache.ratis.util.TimeDuration;

/// Ratis' settings, each set on purpose.
final class RatisConfig {
    /// Entries applied between two looks at what the state machine has made durable. An entry may
    /// be megabytes, and a look costs a method call.
    static final long CHECKPOINT_POLL_ENTRIES = 1;

    private RatisConfig() {}

    static RaftProperties properties(Path directory, RaftHostConfig config) {
        RaftProperties p = new RaftProperties();
        RaftServerConfigKeys.setStorageDir(p, List.of(directory.toFile()));
        log(p, config.log());
        times(p, config.timings());
        // A snapshot here is a look at the state machine's own checkpoint: cheap, so it is
        // frequent.
        RaftServerConfigKeys.Snapshot.setAutoTriggerEnabled(p, true);
        RaftServerConfigKeys.Snapshot.setAutoTriggerThreshold(p, CHECKPOINT_POLL_ENTRIES);
        RaftServerConfigKeys.Snapshot.setTriggerWhenStopEnabled(p, false);
        RaftServerConfigKeys.Snapshot.setTriggerWhenRemoveEnabled(p, false);
        RaftServerConfigKeys.Write.setElementLimit(p, 64);
        // Requests are never sent twice, so what was replied need not be remembered.
        RaftServerConfigKeys.RetryCache.setExpiryTime(p, TimeDuration.ONE_SECOND);
        return p;
    }

    private static void log(RaftProperties p, RaftLogLimits limits) {
        RaftServerConfigKeys.Log.setSegmentSizeMax(p, SizeInBytes.valueOf(limits.segmentBytes()));
        RaftServerConfigKeys.Log.setPreallocatedSize(
                p, SizeInBytes.valueOf(limits.preallocateBytes()));
        RaftServerConfigKeys.Log.setSegmentCacheSizeMax(
                p, SizeInBytes.valueOf(limits.cacheBytes()));
        RaftServerConfigKeys.Log.setSegmentCacheNumMax(p, 2);
        // Acknowledging before the fsync would lose writes at a power cut.
        RaftServerConfigKeys.Log.setUnsafeFlushEnabled(p, false);
        RaftServerConfigKeys.Log.setAsyncFlushEnabled(p, false);
        RaftServerConfigKeys.Log.setCorruptionPolicy(
                p, RaftServerConfigKeys.Log.CorruptionPolicy.EXCEPTION);
        // Else a dead member would keep the log from being purged, and fill the disk.
        RaftServerConfigKeys.Log.setPurgeUptoSnapshotIndex(p, true);
        RaftServerConfigKeys.Log.setPurgeGap(p, 1);
        // Saves the extra entry per commit that would only record the commit index.
        RaftServerConfigKeys.Log.setLogMetadataEnabled(p, false);
        RaftServerConfigKeys.Log.Appender.setInstallSnapshotEnabled(p, false);
        RaftServerConfigKeys.Log.Appender.setWaitTimeMin(p, TimeDuration.ZERO);
        // An entry with the largest command and its header must fit both.
        long largest = RaftGroup.MAX_COMMAND_BYTES + (64L << 10);
        RaftServerConfigKeys.Log.Appender.setBufferByteLimit(p, SizeInBytes.valueOf(largest));
        RaftServerConfigKeys.Log.setWriteBufferSize(p, SizeInBytes.valueOf(largest + 4096));
    }

    private static void times(RaftProperties p, RaftTimings timings) {
        TimeDuration min = millis(timings.electionMin().toMillis());
        TimeDuration max = millis(timings.electionMax().toMillis());
        RaftServerConfigKeys.Rpc.setTimeoutMin(p, min);
        RaftServerConfigKeys.Rpc.setTimeoutMax(p, max);
        RaftServerConfigKeys.Rpc.setFirstElectionTimeoutMin(p, min);
        RaftServerConfigKeys.Rpc.setFirstElectionTimeoutMax(p, max);
        RaftServerConfigKeys.Rpc.setRequestTimeout(p, millis(timings.request().toMillis()));
        RaftServerConfigKeys.LeaderElection.setPreVote(p, true);
        // A process that stood still longer than its followers wait has lost the leadership anyway.
        RaftServerConfigKeys.LeaderElection.setLeaderStepDownWaitTime(
                p, millis(timings.electionMax().toMillis()));
        // Ratis' own, three election time-outs, gives up on a new member that is merely busy.
        RaftServerConfigKeys.setStagingTimeout(p, TimeDuration.valueOf(30, TimeUnit.SECONDS));
        RaftServerConfigKeys.Rpc.setSlownessTimeout(p, TimeDuration.valueOf(60, TimeUnit.SECONDS));
        // A standstill is never a reason to shut down: SIGSTOP, a suspended machine.
        RaftServerConfigKeys.setCloseThreshold(p, TimeDuration.valueOf(365, TimeUnit.DAYS));
    }

    private static TimeDuration millis(long millis) {
        return TimeDuration.valueOf(millis, TimeUnit.MILLISECONDS);
    }
}
