package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Leadership;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.storage.group.WireCut.RecopyOrder;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/// Has a replica that differs copied anew, and sees to it that no good one is, whoever says so.
///
/// That a message asks for it is not enough: it may be late, a second one, or from who was leader
/// once, and a copy takes a replica out of use while the group may need it. So the message is a
/// hint. The replica's node then looks whether so many others serve that they are a majority
/// without it, and asks the leader that its own Raft knows, which answers only while a comparison
/// there waits for just this, once, and for its term. Of two copies at the same time the second one
/// finds no majority, or no order.
final class Recopies {
    private final String node;
    private final NodeParts parts;
    private final ReplicaChecks.Host host;

    /// What comparisons here wait for.
    private final Map<GroupId, Ordered> orders = new ConcurrentHashMap<>();

    private record Ordered(String peer, RecopyOrder order) {}

    Recopies(String node, NodeParts parts, ReplicaChecks.Host host) {
        this.node = node;
        this.parts = parts;
        this.host = host;
    }

    // ---- the leader

    /// Has a replica copied anew. Returns when it has begun. Blocks.
    ///
    /// @param sources see [LocalReplicas#recopy]
    /// @throws CisternException it has not begun; UNAVAILABLE also where that is not known
    void begin(GroupId id, Peer replica, List<String> sources, String reason) {
        if (replica.node().equals(node)) {
            requireMajority(id, replica.id());
            host.recopy(id, replica.id(), sources, reason);
            return;
        }
        long term = host.replica(id).running().parts().leadingTerm();
        Ordered ordered = new Ordered(replica.id(), new RecopyOrder(term, sources, reason));
        orders.put(id, ordered);
        try {
            WireCut.RecopyRequest request =
                    new WireCut.RecopyRequest(id, replica.id(), sources.getFirst(), reason);
            parts.ask(replica.node(), Wire.RECOPY, request::encode, in -> true);
        } catch (CisternException e) {
            if (orders.containsKey(id)) {
                throw e;
            }
            throw new CisternException(
                    ErrorCode.UNAVAILABLE,
                    "it was told to, and has not said that it has begun: " + e.getMessage(),
                    e);
        } finally {
            orders.remove(id, ordered);
        }
    }

    /// Whether a replica is to be copied anew now. The answer is given once.
    ///
    /// @throws CisternException NOT_FOUND, NOT_LEADER
    RecopyOrder confirm(GroupId id, String peer) {
        long term = host.replica(id).running().parts().leadingTerm();
        Ordered ordered = orders.get(id);
        if (ordered == null
                || !ordered.peer.equals(peer)
                || ordered.order.term() != term
                || !orders.remove(id, ordered)) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "nothing here wants " + peer + " to be copied anew");
        }
        return ordered.order;
    }

    // ---- the replica

    /// Somebody says that a replica here is to be copied anew. Blocks.
    ///
    /// @throws CisternException it is not, or cannot be
    void hinted(WireCut.RecopyRequest hint) {
        GroupId id = hint.group();
        RaftGroup raft = replica(id, hint.peer()).running().parts().raft();
        Leadership before = raft.leadership();
        Peer leader = before.leader();
        if (leader == null || leader.node().equals(node)) {
            throw refused(id, hint.peer(), "it knows no other replica that leads");
        }
        requireMajority(id, hint.peer());
        long asked = parts.threads().nanoTime();
        WireCut.RecopyQuestion question = new WireCut.RecopyQuestion(id, hint.peer());
        RecopyOrder order =
                parts.ask(
                        leader.node(), Wire.RECOPY_CONFIRM, question::encode, RecopyOrder::decode);
        boolean late = parts.threads().nanoTime() - asked > parts.tuning().peerTimeout().toNanos();
        if (late || order.term() != before.term() || !raft.leadership().equals(before)) {
            throw refused(id, hint.peer(), "another replica leads meanwhile");
        }
        host.recopy(id, hint.peer(), order.sources(), order.reason());
    }

    private Replica replica(GroupId id, String peer) {
        Replica replica = host.replica(id);
        if (!replica.self().id().equals(peer)) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "node " + node + " has no open replica " + peer);
        }
        return replica;
    }

    /// More than half of all members with data serve without this one.
    private void requireMajority(GroupId id, String peer) {
        List<Peer> members = replica(id, peer).running().parts().raft().dataMembers();
        Map<String, CompletableFuture<List<ReplicaStatus>>> asked = new HashMap<>();
        for (Peer member : members) {
            if (!member.id().equals(peer)) {
                asked.put(
                        member.id(),
                        parts.peers()
                                .call(
                                        member.node(),
                                        Wire.REPLICAS,
                                        out -> {},
                                        ReplicaStatus::decodeList));
            }
        }
        int serving = 0;
        for (Map.Entry<String, CompletableFuture<List<ReplicaStatus>>> e : asked.entrySet()) {
            serving += serves(id, e.getKey(), e.getValue()) ? 1 : 0;
        }
        if (2 * serving <= members.size()) {
            throw refused(
                    id,
                    peer,
                    "of " + members.size() + " replicas only " + serving + " others serve");
        }
    }

    private boolean serves(GroupId id, String peer, CompletableFuture<List<ReplicaStatus>> answer) {
        try {
            ReplicaStatus found = ReplicaStatus.find(parts.threads().await(answer), id, peer);
            return found != null
                    && (found.role() == ReplicaStatus.Role.LEADER
                            || found.role() == ReplicaStatus.Role.FOLLOWER);
        } catch (CisternException silent) {
            return false;
        }
    }

    private static CisternException refused(GroupId id, String peer, String why) {
        return new CisternException(
                ErrorCode.UNAVAILABLE, peer + " of group " + id + " is not copied anew: " + why);
    }
}
