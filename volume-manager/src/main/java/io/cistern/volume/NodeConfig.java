package io.cistern.volume;

import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One node.
///
/// @param name unique in the cluster, see [io.cistern.block.Names]
/// @param zone failure domain; replicas of a group avoid sharing one. "default"
/// @param witness votes in groups of two replicas and holds no data of volumes. Such a node has one
///   directory, no front ends, and joins a cluster that is there
/// @param disks at least one; the first also holds the node's identity and the system group
/// @param wire where to listen for the node wire; port 0 picks one
/// @param raft where to listen for Raft, likewise
/// @param api what to tell others of this node's REST API, as `http://127.0.0.1:7480`
/// @param iscsi portals to tell others of, `host:port` separated by commas; null where none run.
///   `nfs` likewise
/// @param tls null for plain connections
/// @param formation what to do where the first disk is empty; null where it must not be
/// @param tuning sizes that tests and small machines change
public record NodeConfig(
        String name,
        String zone,
        boolean witness,
        List<DiskSpec> disks,
        InetSocketAddress wire,
        InetSocketAddress raft,
        String api,
        @Nullable String iscsi,
        @Nullable String nfs,
        @Nullable TlsFiles tls,
        @Nullable Formation formation,
        Tuning tuning) {

    /// @param path a directory, created if absent; must be empty or this node's
    /// @param sizeBytes most bytes of data to hold, 0 for what the file system has
    public record DiskSpec(Path path, long sizeBytes) {}

    /// How a node without an identity gets one.
    public sealed interface Formation {
        /// Forms a cluster. Every node of `nodes` is started with the same record; the cluster is
        /// usable once a majority runs. Ports must be fixed.
        ///
        /// @param clusterId a random UUID, in its usual text form
        record Bootstrap(String clusterId, List<InitialNode> nodes) implements Formation {}

        /// Joins a cluster.
        ///
        /// @param token from [ClusterAdmin#createJoinToken]
        record Join(String token) implements Formation {}
    }

    public record InitialNode(
            String name, String zone, InetSocketAddress wire, InetSocketAddress raft, String api) {}

    /// @param nodesPerGroup one data group is made for this many nodes; 3
    /// @param electionMillis least election time-out; 500
    /// @param cacheBytes memory for cached map rows and blocks per disk; 64 MiB
    /// @param checkpointBytes log bytes between checkpoints; 64 MiB
    /// @param keepLogsMillis how long the logs of replicas that were damaged are kept; seven days
    public record Tuning(
            int nodesPerGroup,
            int electionMillis,
            long cacheBytes,
            long checkpointBytes,
            long keepLogsMillis) {
        private static final long KEEP_LOGS_MILLIS = 168L * 3600 * 1000;

        public static final Tuning DEFAULT = new Tuning(3, 500, 64L << 20, 64L << 20);

        public Tuning(
                int nodesPerGroup, int electionMillis, long cacheBytes, long checkpointBytes) {
            this(nodesPerGroup, electionMillis, cacheBytes, checkpointBytes, KEEP_LOGS_MILLIS);
        }
    }
}
