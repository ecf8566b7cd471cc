package io.cistern.volume;

import java.time.Duration;

/// A running node: its disks, its replicas, its share of the system group. Several may run in one
/// process.
public interface ClusterNode extends AutoCloseable {
    String name();

    String clusterId();

    /// This node's addresses as others reach them, with the ports really bound.
    NodeConfig.InitialNode self();

    ClusterAdmin admin();

    /// Uses replicas in this process directly. Closed with the node.
    ClusterClient client();

    Images images();

    /// Blocks until the cluster has a system leader, this node is known to it, and at least one
    /// data group serves.
    ///
    /// @throws io.cistern.block.CisternException UNAVAILABLE after `timeout`, saying what is
    ///   missing
    void awaitReady(Duration timeout);

    /// What this node's iSCSI portal is to offer.
    ExportView exports();

    /// Has [ClusterAdmin#sessions] show the sessions of this node's portal.
    void showSessions(java.util.function.Supplier<java.util.List<IscsiExport.Session>> sessions);

    /// Has [ShareAdmin#use] show who uses the shares that this node serves.
    void showShareUse(java.util.function.Supplier<ShareUse> use);

    /// Numbers of this node for the metrics page: one sample per name and labels.
    java.util.List<Sample> metrics();

    /// @param name as in the catalogue: `cistern_raft_fsyncs_total`
    /// @param labels alternating key and value
    record Sample(String name, java.util.List<String> labels, double value) {}

    /// Hands leadership over where it can, checkpoints, and stops. Data stays. At most about 10 s.
    @Override
    void close();
}
