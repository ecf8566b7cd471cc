package io.cistern.raft;

import java.net.InetSocketAddress;
import java.util.List;

/// Opens the replicas of one node. [RaftHost] does, on Ratis.
public interface RaftGroups {
    /// Where members of other nodes reach this node's replicas.
    InetSocketAddress address();

    /// Creates or restarts a replica, see [RaftHost#open].
    RaftGroup open(
            GroupId id, String selfPeerId, List<Peer> initialMembers, StateMachine stateMachine);

    /// Closes a replica, if it is open, and deletes its log for good.
    void remove(GroupId id);
}
