package io.cistern.volume.node;

import io.cistern.volume.ClusterStatus.WorkInfo;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A node as it sees itself now.
///
/// @param systemVersion of the system state it knows
/// @param level the newest format level that its program knows, see
///   [io.cistern.volume.system.Level]; programs from before there were levels do not say
record NodeReport(
        String name,
        long pid,
        long systemVersion,
        List<DiskReport> disks,
        List<ReplicaReport> replicas,
        List<WorkInfo> work,
        @Nullable Integer level) {

    int knownLevel() {
        Integer known = level;
        return known == null ? 0 : known;
    }

    /// @param error null, or why it is out of use
    record DiskReport(
            int number, String path, long totalBytes, long freeBytes, @Nullable String error) {}

    /// @param leads true on a leader that is ready
    /// @param leader peer id of the leader it knows
    /// @param members peer ids of voters and learners, as in force there
    /// @param behind entries it lacks compared with its leader, -1 if not known
    /// @param catchUp share of a copy under way, null if none
    /// @param quarantined why it is out of use, null if it is not
    /// @param alone true on a leader whose disk alone has what is written now, see
    ///   [io.cistern.raft.RaftGroup#witnessStandsIn]; nodes of earlier versions do not say
    record ReplicaReport(
            long group,
            String peer,
            boolean leads,
            @Nullable String leader,
            long term,
            long appliedIndex,
            long behind,
            List<String> members,
            boolean catchingUp,
            @Nullable Double catchUp,
            @Nullable String quarantined,
            long damagedBlocks,
            long repairedBlocks,
            Amounts amounts,
            @Nullable Boolean alone) {
        long usedBytes() {
            return amounts.usedBytes;
        }

        long requests() {
            return amounts.requests;
        }
    }

    /// @param usedBytes of data that the replica holds
    /// @param requests of users since it was opened
    /// @param copiedBytes received by copies since then
    record Amounts(long usedBytes, long requests, long copiedBytes) {
        static final Amounts NONE = new Amounts(0, 0, 0);
    }

    @Nullable ReplicaReport replica(String peer, long group) {
        for (ReplicaReport replica : replicas) {
            if (replica.group == group && replica.peer.equals(peer)) {
                return replica;
            }
        }
        return null;
    }
}
