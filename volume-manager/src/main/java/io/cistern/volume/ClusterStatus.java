package io.cistern.volume;

import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// The cluster as one node sees it now. Asking tolerates nodes that do not answer: they are listed
/// as DOWN. Where the system group has no leader, everything known from the last state is shown
/// with health UNAVAILABLE.
///
/// @param reasons one sentence each, what is degraded and why; empty where health is OK
/// @param level the format level that all nodes know and use; null where a node of an earlier
///   release was asked
/// @param notes what else is worth knowing and no fault, one sentence each
public record ClusterStatus(
        String clusterId,
        Health health,
        List<String> reasons,
        List<NodeInfo> nodes,
        List<GroupInfo> groups,
        List<VolumeInfo> volumes,
        Capacity capacity,
        List<WorkInfo> work,
        @Nullable Integer level,
        List<String> notes) {

    /// Nodes of an earlier release, which say nothing of them, have no notes.
    public ClusterStatus {
        notes = Objects.requireNonNullElse(notes, List.of());
    }

    public enum Health {
        /// Every replica is up and has what its leader has.
        OK,
        /// All volumes work, with less redundancy than asked for or with work under way.
        DEGRADED,
        /// At least one group cannot serve.
        UNAVAILABLE
    }

    /// @param api base URL of its REST API, as `http://127.0.0.1:7480`
    /// @param wire `host:port` of the node wire
    /// @param raft `host:port` of Raft
    /// @param iscsi `host:port` or null where this front end does not run; `nfs` likewise
    /// @param pid its process, 0 while DOWN
    /// @param leads ids of the groups it leads now, as "g1"
    /// @param disks empty on a witness
    /// @param level the newest format level that its program knows, 0 for one from before there
    ///   were levels; null while DOWN
    public record NodeInfo(
            String name,
            long pid,
            NodeState state,
            String zone,
            String api,
            String wire,
            String raft,
            @Nullable String iscsi,
            @Nullable String nfs,
            List<String> leads,
            List<DiskInfo> disks,
            @Nullable Integer level) {}

    public enum NodeState {
        UP,
        /// Does not answer.
        DOWN,
        /// Up, and its replicas are being moved away.
        DRAINING,
        /// Holds no replica any more; may be removed.
        DRAINED
    }

    /// @param id `NODE/N`, as "n0/0"
    /// @param emptying its replicas move away, then it is forgotten
    /// @param error null, or why the disk is out of use
    public record DiskInfo(
            String id,
            String node,
            String path,
            long totalBytes,
            long freeBytes,
            boolean emptying,
            @Nullable String error) {}

    /// @param id "g0" is the system group
    /// @param wantedReplicas witnesses included
    /// @param leader node name, null while there is none
    public record GroupInfo(
            String id,
            int wantedReplicas,
            @Nullable String leader,
            long term,
            List<ReplicaInfo> replicas,
            int volumes) {}

    /// @param peer the replica's identity, as "n1.3", or "n1.w3" for a witness
    /// @param behindEntries log entries it lacks compared with the leader; -1 if not known
    /// @param catchUp share of a running full or partial copy, 0 to 1; null when none runs
    /// @param usedBytes of data that it holds
    /// @param copiedBytes received by copies since it was opened
    public record ReplicaInfo(
            String peer,
            String node,
            ReplicaState state,
            long appliedIndex,
            long behindEntries,
            @Nullable Double catchUp,
            long usedBytes,
            long copiedBytes) {}

    public enum ReplicaState {
        LEADER,
        FOLLOWER,
        /// Votes, and keeps no data.
        WITNESS,
        /// Receives the log, does not vote yet.
        LEARNER,
        /// Opened, or behind and catching up.
        CATCHING_UP,
        /// Its log was damaged; a new replica takes its place.
        QUARANTINED,
        DOWN,
        /// Out of the group, to be deleted.
        RETIRED
    }

    /// Slots of all disks that answer. One byte of a volume with three replicas takes three.
    public record Capacity(
            long totalBytes, long freeBytes, long usedBytes, long provisionedBytes) {}

    /// Something long that runs now.
    ///
    /// @param kind "import", "export", "scrub", "verify", "compare"; "keep" of logs out of use
    ///   until they are deleted; "drain" of a node, "empty" of a disk, "rebuild" of what a silent
    ///   node held; "move" or "copy" of one replica
    /// @param what what it works on, as "volume web1" or "g1 on n2"
    /// @param done and `total` in `unit` ("bytes", "replicas"); total 0 if not known
    /// @param etaMillis estimated time left, -1 if not known
    /// @param step what is being done now, for people; null where that is plain, and from nodes of
    ///   earlier releases
    public record WorkInfo(
            String id,
            String kind,
            String what,
            String node,
            long done,
            long total,
            String unit,
            long startedMillis,
            long etaMillis,
            @Nullable String step) {
        public WorkInfo(
                String id,
                String kind,
                String what,
                String node,
                long done,
                long total,
                String unit,
                long startedMillis,
                long etaMillis) {
            this(id, kind, what, node, done, total, unit, startedMillis, etaMillis, null);
        }
    }
}
