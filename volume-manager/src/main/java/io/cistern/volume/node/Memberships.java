package io.cistern.volume.node;

import io.cistern.volume.node.NodeReport.ReplicaReport;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemCommand.Place;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Disk;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Role;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Moves replicas, one at a time in each group:
///
/// ```
/// a voter must go --AddReplica--> its node opens a learner --SetMembers--> it receives the log
///   --caught up: PromoteReplica--> SetMembers (the new one votes, the old one is out)
///   --RemoveReplica--> the old one's node deletes it
/// ```
///
/// What the state says is the goal; the group's own membership follows it.
final class Memberships {
    private static final Logger log = LoggerFactory.getLogger(Memberships.class);

    /// A learner this close to its leader may vote.
    private static final long CLOSE_ENTRIES = 1000;

    /// How long a replica has to be missing on a node that is up before it counts as lost.
    private static final long MISSING_NANOS = TimeUnit.SECONDS.toNanos(10);

    private static final int SYSTEM_MEMBERS = 3;

    private final Actions actions;
    private final Silence silence;
    private final Runnable soon;
    private final Map<Long, Ordered> orders = new HashMap<>();
    private final Map<String, Long> missingSince = new HashMap<>();

    /// Replicas that were asked to give up leadership before they leave.
    private final Set<String> handedOver = new HashSet<>();

    /// What is done about it.
    interface Actions {
        /// Changes the state. Blocks.
        void propose(SystemCommand command);

        CompletableFuture<NodeOrder.Done> order(String node, NodeOrder order);

        static Actions of(Cluster cluster) {
            return new Actions() {
                @Override
                public void propose(SystemCommand command) {
                    cluster.system().propose(command, Cluster.CONTROL);
                }

                @Override
                public CompletableFuture<NodeOrder.Done> order(String node, NodeOrder order) {
                    return cluster.ordering(node, order);
                }
            };
        }
    }

    /// The last order to the leader of a group. Nobody waits for its answer: where a learner is
    /// added it takes as long as the learner's copy.
    private record Ordered(
            String leader, long term, NodeOrder order, CompletableFuture<NodeOrder.Done> answer) {
        boolean underWay(ReplicaReport now) {
            return !answer.isDone() && leader.equals(now.peer()) && term == now.term();
        }

        boolean done() {
            return answer.state() == Future.State.SUCCESS;
        }
    }

    /// @param soon called when an order has been carried out, on any thread
    Memberships(Actions actions, Silence silence, Runnable soon) {
        this.actions = actions;
        this.silence = silence;
        this.soon = soon;
    }

    /// Forgets what it has seen: this node does not lead.
    void reset() {
        orders.clear();
        missingSince.clear();
        handedOver.clear();
    }

    /// True where a voter of the group is lost and nothing has been begun to replace it.
    boolean lossToMend(SystemState state, Group group, Map<String, NodeReport> reports) {
        return group.id() != 0
                && learner(group) == null
                && leader(group, reports) != null
                && group.voters().stream().anyMatch(r -> lost(state, r, group, reports))
                && place(state, reports, group, leaving(state, group, reports), false) != null;
    }

    void step(SystemState state, Group group, Map<String, NodeReport> reports, Moves moves) {
        countMissing(group, reports);
        ReplicaReport leader = leader(group, reports);
        if (leader == null) {
            return;
        }
        Replica learner = learner(group);
        if (learner != null && hopeless(state, group, learner, reports)) {
            log.info("{} of g{} is given up", learner.peer(), group.id());
            propose(new SystemCommand.RetireReplica(Cluster.request(), group.id(), learner.peer()));
            return;
        }
        Ordered last = orders.get(group.id());
        if ((last != null && last.underWay(leader))
                || !converged(state, group, reports, leader, last)) {
            return;
        }
        for (Replica replica : group.replicas()) {
            if (replica.role() == Role.RETIRED && !leader.members().contains(replica.peer())) {
                propose(
                        new SystemCommand.RemoveReplica(
                                Cluster.request(), group.id(), replica.peer()));
                return;
            }
        }
        if (learner == null) {
            begin(state, group, reports, moves);
        } else if (caughtUp(group, learner, leader, reports)) {
            end(state, group, reports, learner, leader);
        }
    }

    /// A learner that has what its leader has takes its place, or is found to be one too many.
    private void end(
            SystemState state,
            Group group,
            Map<String, NodeReport> reports,
            Replica learner,
            ReplicaReport leader) {
        Replica replaced = replaced(state, group, learner, reports);
        boolean grows = lacks(state, group, learner.witness());
        if (replaced == null && !grows) {
            // Who was to leave has come back.
            log.info("{} of g{} is not needed any more", learner.peer(), group.id());
            propose(new SystemCommand.RetireReplica(Cluster.request(), group.id(), learner.peer()));
            return;
        }
        if (replaced != null && handsOver(group, replaced, leader, reports)) {
            return;
        }
        log.info(
                "{} of g{} votes from now on{}",
                learner.peer(),
                group.id(),
                replaced == null ? "" : ", in the place of " + replaced.peer());
        propose(
                new SystemCommand.PromoteReplica(
                        Cluster.request(),
                        group.id(),
                        learner.peer(),
                        replaced == null ? null : replaced.peer()));
    }

    /// A leader that is to leave hands over first, once, so that nobody waits for an election.
    private boolean handsOver(
            Group group, Replica leaving, ReplicaReport leader, Map<String, NodeReport> reports) {
        if (!leader.peer().equals(leaving.peer())
                || !handedOver.add(leaving.peer() + "/" + group.id())) {
            return false;
        }
        for (Replica voter : group.voters()) {
            NodeReport report = reports.get(voter.node());
            ReplicaReport other = report == null ? null : report.replica(voter.peer(), group.id());
            if (!voter.equals(leaving)
                    && !voter.witness()
                    && other != null
                    && close(other, leader)) {
                log.info("g{}: {} hands over to {}", group.id(), leaving.peer(), voter.peer());
                order(group, leader, new NodeOrder.Transfer(group.id(), voter.peer()), true);
                return true;
            }
        }
        return false;
    }

    /// A replica that has about what its leader has.
    static boolean close(ReplicaReport replica, ReplicaReport leader) {
        return !replica.catchingUp()
                && replica.appliedIndex() >= 0
                && leader.appliedIndex() - replica.appliedIndex() <= CLOSE_ENTRIES;
    }

    private void propose(SystemCommand command) {
        actions.propose(command);
    }

    private void countMissing(Group group, Map<String, NodeReport> reports) {
        for (Replica replica : group.replicas()) {
            NodeReport report = reports.get(replica.node());
            if (report != null && report.replica(replica.peer(), group.id()) == null) {
                missingSince.putIfAbsent(replica.peer() + "/" + group.id(), System.nanoTime());
            } else {
                missingSince.remove(replica.peer() + "/" + group.id());
            }
        }
    }

    private boolean lost(
            SystemState state, Replica replica, Group group, Map<String, NodeReport> reports) {
        NodeReport report = reports.get(replica.node());
        ReplicaReport mine = report == null ? null : report.replica(replica.peer(), group.id());
        return (mine != null && mine.quarantined() != null)
                || missing(replica, group)
                || silence.dead(state, replica.node());
    }

    private boolean missing(Replica replica, Group group) {
        Long since = missingSince.get(replica.peer() + "/" + group.id());
        return since != null && System.nanoTime() - since >= MISSING_NANOS;
    }

    /// A learner that will not get there, or that would have to leave again at once.
    private boolean hopeless(
            SystemState state, Group group, Replica learner, Map<String, NodeReport> reports) {
        return lost(state, learner, group, reports) || drains(state, learner);
    }

    static @Nullable ReplicaReport leader(Group group, Map<String, NodeReport> reports) {
        ReplicaReport found = null;
        for (Replica replica : group.replicas()) {
            NodeReport report = reports.get(replica.node());
            ReplicaReport mine = report == null ? null : report.replica(replica.peer(), group.id());
            if (mine != null && mine.leads() && (found == null || mine.term() > found.term())) {
                found = mine;
            }
        }
        return found;
    }

    private static @Nullable Replica learner(Group group) {
        return group.replicas().stream()
                .filter(r -> r.role() == Role.LEARNER)
                .findFirst()
                .orElse(null);
    }

    /// Has the group take on the membership that the state says.
    private boolean converged(
            SystemState state,
            Group group,
            Map<String, NodeReport> reports,
            ReplicaReport leader,
            @Nullable Ordered last) {
        List<Replica> learners =
                group.replicas().stream()
                        .filter(r -> r.role() == Role.LEARNER && open(group, r, reports))
                        .toList();
        NodeOrder.SetMembers goal =
                new NodeOrder.SetMembers(
                        group.id(),
                        Caretaker.places(state, group.voters()),
                        Caretaker.places(state, learners));
        Set<String> members = new HashSet<>();
        goal.voters().forEach(p -> members.add(p.peer()));
        goal.learners().forEach(p -> members.add(p.peer()));
        boolean same = members.equals(Set.copyOf(leader.members()));
        boolean told = last != null && goal.equals(last.order);
        boolean done = last != null && told && last.done();
        if (same && done) {
            return true;
        }
        if (!told) {
            log.info("g{}: members {}", group.id(), members);
        }
        // Looks at once where it has come to this, and no more often than regularly where a leader
        // says so and reports other members.
        order(group, leader, goal, !done);
        return false;
    }

    private void order(Group group, ReplicaReport leader, NodeOrder order, boolean look) {
        String node = Objects.requireNonNull(group.replica(leader.peer())).node();
        CompletableFuture<NodeOrder.Done> answer = actions.order(node, order);
        orders.put(group.id(), new Ordered(leader.peer(), leader.term(), order, answer));
        answer.whenComplete((nothing, failure) -> {
            if (failure != null) {
                log.debug("g{}: {} is not done yet", group.id(), order, failure);
            } else if (look) {
                soon.run();
            }
        });
    }

    private static boolean open(Group group, Replica replica, Map<String, NodeReport> reports) {
        NodeReport report = reports.get(replica.node());
        ReplicaReport mine = report == null ? null : report.replica(replica.peer(), group.id());
        return mine != null && mine.quarantined() == null;
    }

    private static boolean caughtUp(
            Group group, Replica learner, ReplicaReport leader, Map<String, NodeReport> reports) {
        NodeReport report = reports.get(learner.node());
        ReplicaReport mine = report == null ? null : report.replica(learner.peer(), group.id());
        return mine != null && leader.members().contains(learner.peer()) && close(mine, leader);
    }

    static int wanted(SystemState state, Group group) {
        if (group.id() != 0) {
            return group.wantedVoters();
        }
        long active = state.nodes().values().stream().filter(n -> !n.draining()).count();
        return active >= SYSTEM_MEMBERS ? Math.max(SYSTEM_MEMBERS, group.wanted()) : 1;
    }

    /// Whether the group has fewer voters of one kind than it is to have.
    private static boolean lacks(SystemState state, Group group, boolean witness) {
        if (group.id() == 0) {
            return group.voters().size() < wanted(state, group);
        }
        int data = group.dataVoters().size();
        return witness
                ? group.voters().size() - data < group.wantedWitnesses()
                : data < group.wanted();
    }

    /// The voter that should make room, null if all may stay.
    private @Nullable Replica leaving(
            SystemState state, Group group, Map<String, NodeReport> reports) {
        Replica data = leaving(state, group, reports, false);
        return data != null ? data : leaving(state, group, reports, true);
    }

    private @Nullable Replica leaving(
            SystemState state, Group group, Map<String, NodeReport> reports, boolean witness) {
        Replica draining = null;
        for (Replica replica : group.voters()) {
            if (replica.witness() != witness) {
                continue;
            }
            if (lost(state, replica, group, reports)) {
                return replica;
            }
            if (drains(state, replica)) {
                draining = replica;
            }
        }
        return draining;
    }

    /// The voter whose place the learner takes: the one on its own node, whose files are gone since
    /// the learner was opened there; else, unless the group grows, the one that should leave, or
    /// the one that the group can best spare.
    private @Nullable Replica replaced(
            SystemState state, Group group, Replica learner, Map<String, NodeReport> reports) {
        for (Replica voter : group.voters()) {
            if (voter.node().equals(learner.node())) {
                return voter;
            }
        }
        if (lacks(state, group, learner.witness())) {
            return null;
        }
        Replica leaving = leaving(state, group, reports, learner.witness());
        if (leaving != null || learner.witness() || group.id() == 0) {
            return leaving;
        }
        Balance.Layout layout = Spread.layout(state, reports);
        String spare =
                Balance.spare(layout, Spread.group(group, reports), learner.node()).orElse(null);
        return group.dataVoters().stream()
                .filter(v -> v.node().equals(spare))
                .findFirst()
                .orElse(null);
    }

    private static boolean drains(SystemState state, Replica replica) {
        Node node = state.nodes().get(replica.node());
        return node != null
                && (node.draining()
                        || node.disks().stream()
                                .filter(d -> d.number() == replica.disk())
                                .anyMatch(Disk::draining));
    }

    private @Nullable Place place(
            SystemState state,
            Map<String, NodeReport> reports,
            Group group,
            @Nullable Replica leaving,
            boolean growsByWitness) {
        boolean witness = leaving != null ? leaving.witness() : growsByWitness;
        boolean ownNode = leaving != null && lost(state, leaving, group, reports);
        if (witness) {
            return Placement.forWitness(state, reports, group, ownNode ? leaving : null);
        }
        Place place = Placement.forReplica(state, reports, group, ownNode ? leaving : null);
        if (place == null && leaving != null && group.voters().size() > 1) {
            place = Placement.forReplica(state, reports, group, leaving);
        }
        return place;
    }

    private void begin(
            SystemState state, Group group, Map<String, NodeReport> reports, Moves moves) {
        Replica leaving = leaving(state, group, reports);
        boolean growsData = lacks(state, group, false);
        boolean grows = growsData || lacks(state, group, true);
        if (leaving == null && !grows) {
            return;
        }
        Place place = place(state, reports, group, leaving, !growsData);
        boolean loss = grows || (leaving != null && lost(state, leaving, group, reports));
        if (place != null && moves.take(group.id(), loss)) {
            log.info(
                    "g{}: a new replica on {}{}",
                    group.id(),
                    place.node(),
                    leaving == null ? "" : " for " + leaving.peer());
            Place chosen = group.id() == 0 ? new Place(place.node(), 0) : place;
            propose(new SystemCommand.AddReplica(Cluster.request(), group.id(), chosen));
        }
    }
}
