package io.cistern.storage.group;

import io.cistern.raft.GroupId;
import io.cistern.storage.Usage;
import io.netty.buffer.ByteBuf;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One replica as its own node sees it.
///
/// @param peer its identity, as `n1.3`
/// @param leader peer id of the leader it follows (or is), null if none is known
/// @param behind entries the leader had applied, when it last asked, and this replica had not; -1
///   where no leader has asked yet
/// @param checkpointIndex its log is not needed up to here
/// @param copy a copy from another replica under way, or null
/// @param quarantined why the replica is out of use, or null
public record ReplicaStatus(
        GroupId group,
        String peer,
        String node,
        Role role,
        @Nullable String leader,
        long term,
        long appliedIndex,
        long behind,
        long checkpointIndex,
        Log log,
        Usage usage,
        Repairs repairs,
        @Nullable Progress copy,
        @Nullable Progress scrub,
        @Nullable String quarantined) {

    public enum Role {
        /// Leads and is ready.
        LEADER,
        FOLLOWER,
        /// Opened, and not yet at what its log held, or being copied to.
        CATCHING_UP,
        QUARANTINED
    }

    /// @param fsyncs since the replica opened, like the next two
    /// @param commands applied
    /// @param bytesWritten to the log
    /// @param bytes of log on disk now
    public record Log(long fsyncs, long commands, long bytesWritten, long bytes) {
        public static final Log NONE = new Log(0, 0, 0, 0);
    }

    /// Since the replica opened.
    ///
    /// @param damagedBlocks found with a wrong checksum
    /// @param repairedBlocks mended from a peer
    /// @param copiedBytes received in copies
    public record Repairs(long damagedBlocks, long repairedBlocks, long copiedBytes) {
        public static final Repairs NONE = new Repairs(0, 0, 0);
    }

    /// Something long that runs.
    ///
    /// @param done and `total` in bytes; total 0 if not known
    /// @param etaMillis estimated time left, -1 if not known
    public record Progress(long done, long total, long startedMillis, long etaMillis) {
        /// With the time left estimated from the speed so far.
        static Progress of(long done, long total, long startedMillis, long nowMillis) {
            long spent = nowMillis - startedMillis;
            long eta = -1;
            if (done > 0 && total > 0) {
                eta = (long) ((double) spent * Math.max(0, total - done) / done);
            }
            return new Progress(done, total, startedMillis, eta);
        }
    }

    private static final Role[] ROLES = Role.values();
    private static final int MAX_REPLICAS = 4096;

    void encode(ByteBuf out) {
        out.writeLong(group.value());
        Wire.putText(out, peer);
        Wire.putText(out, node);
        out.writeByte(role.ordinal());
        Wire.putOptional(out, leader);
        out.writeLong(term).writeLong(appliedIndex).writeLong(behind).writeLong(checkpointIndex);
        out.writeLong(log.fsyncs).writeLong(log.commands);
        out.writeLong(log.bytesWritten).writeLong(log.bytes);
        WireAnswer.putUsage(out, usage);
        out.writeLong(repairs.damagedBlocks).writeLong(repairs.repairedBlocks);
        out.writeLong(repairs.copiedBytes);
        putProgress(out, copy);
        putProgress(out, scrub);
        Wire.putOptional(out, quarantined);
    }

    static ReplicaStatus decode(ByteBuf in) {
        return new ReplicaStatus(
                WireRequest.groupOf(in),
                Wire.text(in),
                Wire.text(in),
                Wire.constant(in, ROLES),
                Wire.optional(in),
                in.readLong(),
                in.readLong(),
                in.readLong(),
                in.readLong(),
                new Log(in.readLong(), in.readLong(), in.readLong(), in.readLong()),
                WireAnswer.usage(in),
                new Repairs(in.readLong(), in.readLong(), in.readLong()),
                progress(in),
                progress(in),
                Wire.optional(in));
    }

    /// That of a replica among those of its node, null where it is none of them.
    static @Nullable ReplicaStatus find(List<ReplicaStatus> all, GroupId group, String peer) {
        return all.stream()
                .filter(s -> s.group().equals(group) && s.peer().equals(peer))
                .findFirst()
                .orElse(null);
    }

    static List<ReplicaStatus> decodeList(ByteBuf in) {
        return Wire.list(in, MAX_REPLICAS, 100, ReplicaStatus::decode);
    }

    static void encodeList(ByteBuf out, List<ReplicaStatus> list) {
        Wire.putList(out, list, (to, status) -> status.encode(to));
    }

    private static void putProgress(ByteBuf out, @Nullable Progress progress) {
        out.writeBoolean(progress != null);
        if (progress != null) {
            out.writeLong(progress.done).writeLong(progress.total);
            out.writeLong(progress.startedMillis).writeLong(progress.etaMillis);
        }
    }

    private static @Nullable Progress progress(ByteBuf in) {
        return Wire.bool(in)
                ? new Progress(in.readLong(), in.readLong(), in.readLong(), in.readLong())
                : null;
    }
}
