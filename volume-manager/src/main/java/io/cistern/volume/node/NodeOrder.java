package io.cistern.volume.node;

import io.cistern.volume.ClusterStatus.WorkInfo;
import java.util.List;

/// What the system leader, or an administrator's node, asks of another node. Each may be repeated.
sealed interface NodeOrder {
    /// Where a replica is to be reached by Raft.
    ///
    /// @param raft `host:port`
    record Place(String peer, String node, String raft) {}

    /// The group's leader changes its membership.
    record SetMembers(long group, List<Place> voters, List<Place> learners) implements NodeOrder {}

    /// The group's leader hands over, where the other is not behind.
    record Transfer(long group, String peer) implements NodeOrder {}

    /// Starts a scrub of the node's replica of a group; `volume` 0: of everything.
    record Scrub(long group, long volume) implements NodeOrder {}

    /// Compares a volume on all replicas of its group, and answers when done.
    record Verify(long group, long volume) implements NodeOrder {}

    /// Lists work that a program outside of the nodes does, for some seconds or until it has ended.
    record Working(WorkInfo work, boolean ended) implements NodeOrder {}

    /// @param bytes compared
    /// @param findings one sentence each
    record Done(long bytes, List<String> findings) {
        static final Done NOTHING = new Done(0, List.of());
    }
}
