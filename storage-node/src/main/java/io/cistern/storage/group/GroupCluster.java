package io.cistern.storage.group;

import io.cistern.raft.GroupId;
import java.util.List;

/// What a node's replicas need from the cluster. Called on a background thread; may block.
public interface GroupCluster {
    /// Names of the nodes that have a member of the group, as far as this node knows; the order
    /// does not matter.
    List<String> nodes(GroupId group);

    /// A replica's log or store is damaged. It is closed, and will not come back under its peer id.
    /// The cluster takes it out of the group, chooses a new peer id on the same or another node,
    /// and has it opened: on the same node by [GroupHost#replace]. Until then the replica is listed
    /// as quarantined; it is reported again after a restart.
    ///
    /// @param peer the damaged replica
    /// @param reason for people
    void rebuild(GroupId group, String peer, String reason);
}
