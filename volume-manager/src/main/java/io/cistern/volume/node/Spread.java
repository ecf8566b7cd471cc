package io.cistern.volume.node;

import io.cistern.volume.node.NodeReport.ReplicaReport;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemCommand.Place;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Role;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Has replicas and leaders spread over the nodes, one move at a time, while nothing else is to be
/// done: every node answers, no replica is on its way, nothing is drained. See [Balance].
///
/// A group whose leader somebody moves back (a front end asks for it where its volume is used) is
/// left alone for [#RESPECT_NANOS].
final class Spread {
    private static final Logger log = LoggerFactory.getLogger(Spread.class);

    private static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(2);
    private static final long STEADY_NANOS = TimeUnit.SECONDS.toNanos(30);
    private static final long RESPECT_NANOS = TimeUnit.HOURS.toNanos(1);

    /// Requests a second that count as much as leading an idle group does.
    private static final double REQUESTS_PER_WEIGHT = 1000;

    private final Cluster cluster;
    private final LongSupplier nanos;
    private final Map<Long, Leader> leaders = new HashMap<>();
    private long movedNanos;

    /// Who leads a group.
    ///
    /// @param sinceNanos since when
    /// @param requests that it had counted then
    /// @param given true where it leads because it was handed the leadership here
    /// @param respectUntil the group is left alone until then, 0 for no
    private record Leader(
            String node, long sinceNanos, long requests, boolean given, long respectUntil) {}

    Spread(Cluster cluster, LongSupplier nanos) {
        this.cluster = cluster;
        this.nanos = nanos;
        this.movedNanos = nanos.getAsLong();
    }

    void reset() {
        leaders.clear();
        movedNanos = nanos.getAsLong();
    }

    /// Begins the next move, if it is time and there is one.
    void step(SystemState state, Map<String, NodeReport> reports) {
        watch(state, reports);
        long now = nanos.getAsLong();
        if (!state.policy().balance() || !quiet(state, reports) || now - movedNanos < PAUSE_NANOS) {
            return;
        }
        Optional<Balance.Move> move = Balance.next(layout(state, reports));
        if (move.isPresent()) {
            movedNanos = now;
            begin(state, reports, move.get());
            return;
        }
        Balance.nextHandover(leads(state, reports, now))
                .ifPresent(handover -> {
                    movedNanos = now;
                    hand(state, handover);
                });
    }

    private void begin(SystemState state, Map<String, NodeReport> reports, Balance.Move move) {
        SystemState.Node node = state.nodes().get(move.to());
        int disk = node == null ? -1 : Placement.disk(node, reports);
        if (disk >= 0) {
            log.info(
                    "g{}: from {} to {}, to spread the load", move.group(), move.from(), move.to());
            cluster.system()
                    .propose(
                            new SystemCommand.AddReplica(
                                    Cluster.request(), move.group(), new Place(move.to(), disk)),
                            Cluster.CONTROL);
        }
    }

    private void hand(SystemState state, Balance.Handover handover) {
        Group group = state.groups().get(handover.group());
        if (group == null) {
            return;
        }
        for (Replica voter : group.dataVoters()) {
            if (voter.node().equals(handover.to())) {
                log.info("g{}: led by {} from now on", handover.group(), handover.to());
                cluster.order(handover.from(), new NodeOrder.Transfer(group.id(), voter.peer()));
                leaders.put(group.id(), new Leader(handover.to(), nanos.getAsLong(), 0, true, 0));
            }
        }
    }

    /// Notes who leads, and who does not want to be moved.
    private void watch(SystemState state, Map<String, NodeReport> reports) {
        leaders.keySet().retainAll(state.groups().keySet());
        for (Group group : state.groups().values()) {
            ReplicaReport report = Memberships.leader(group, reports);
            Replica replica = report == null ? null : group.replica(report.peer());
            if (report == null || replica == null) {
                continue;
            }
            long now = nanos.getAsLong();
            Leader known = leaders.get(group.id());
            if (known == null || !known.node.equals(replica.node())) {
                boolean takenBack =
                        known != null && known.given && now - known.sinceNanos < RESPECT_NANOS;
                leaders.put(
                        group.id(),
                        new Leader(
                                replica.node(),
                                now,
                                report.requests(),
                                false,
                                takenBack ? now + RESPECT_NANOS : 0));
            } else if (known.requests == 0) {
                leaders.put(
                        group.id(),
                        new Leader(
                                known.node,
                                known.sinceNanos,
                                report.requests(),
                                known.given,
                                known.respectUntil));
            }
        }
    }

    /// True where nothing is on its way and nothing is missing.
    static boolean quiet(SystemState state, Map<String, NodeReport> reports) {
        return Reconciler.settled(state)
                && reports.keySet().containsAll(state.nodes().keySet())
                && state.nodes().values().stream()
                        .noneMatch(n ->
                                n.draining()
                                        || n.disks().stream().anyMatch(SystemState.Disk::draining))
                && state.groups().values().stream()
                        .allMatch(g ->
                                g.voters().size() >= Memberships.wanted(state, g)
                                        && inStep(g, reports));
    }

    private static boolean inStep(Group group, Map<String, NodeReport> reports) {
        return Memberships.leader(group, reports) != null
                && group.voters().stream()
                        .allMatch(v -> {
                            NodeReport node = reports.get(v.node());
                            ReplicaReport mine =
                                    node == null ? null : node.replica(v.peer(), group.id());
                            return mine != null && mine.quarantined() == null && !mine.catchingUp();
                        });
    }

    static Balance.Layout layout(SystemState state, Map<String, NodeReport> reports) {
        TreeMap<String, Balance.Node> nodes = new TreeMap<>();
        for (SystemState.Node node : state.nodes().values()) {
            NodeReport report = reports.get(node.name());
            int disk = Placement.disk(node, reports);
            if (report == null || node.draining() || disk < 0) {
                continue;
            }
            long capacity =
                    report.disks().stream()
                            .filter(d -> d.error() == null)
                            .mapToLong(NodeReport.DiskReport::totalBytes)
                            .sum();
            if (capacity > 0) {
                long free = Placement.free(node, disk, reports);
                nodes.put(node.name(), new Balance.Node(node.name(), node.zone(), capacity, free));
            }
        }
        List<Balance.Group> groups = new ArrayList<>();
        for (Group group : state.groups().values()) {
            if (group.id() != 0) {
                groups.add(group(group, reports));
            }
        }
        return new Balance.Layout(nodes, groups);
    }

    static Balance.Group group(Group group, Map<String, NodeReport> reports) {
        return new Balance.Group(
                group.id(),
                bytes(group, reports),
                group.dataVoters().stream().map(Replica::node).toList());
    }

    /// What a replica of the group holds: as much as the fullest voter that answers.
    static long bytes(Group group, Map<String, NodeReport> reports) {
        long bytes = 0;
        for (Replica replica : group.replicas()) {
            NodeReport node = reports.get(replica.node());
            ReplicaReport mine = node == null ? null : node.replica(replica.peer(), group.id());
            if (mine != null && replica.role() != Role.LEARNER) {
                bytes = Math.max(bytes, mine.usedBytes());
            }
        }
        return bytes;
    }

    private List<Balance.Lead> leads(SystemState state, Map<String, NodeReport> reports, long now) {
        List<Balance.Lead> leads = new ArrayList<>();
        for (Group group : state.groups().values()) {
            Leader leader = leaders.get(group.id());
            ReplicaReport report = Memberships.leader(group, reports);
            if (group.id() == 0 || leader == null || report == null) {
                continue;
            }
            double seconds = Math.max(1, (now - leader.sinceNanos) / 1e9);
            double requests = Math.max(0, report.requests() - leader.requests) / seconds;
            boolean steady = now - leader.sinceNanos >= STEADY_NANOS;
            boolean alone = leader.respectUntil != 0 && now - leader.respectUntil < 0;
            List<String> others =
                    !steady || alone
                            ? List.of()
                            : group.dataVoters().stream()
                                    .map(Replica::node)
                                    .filter(n -> !n.equals(leader.node))
                                    .toList();
            leads.add(
                    new Balance.Lead(
                            group.id(), leader.node, others, 1 + requests / REQUESTS_PER_WEIGHT));
        }
        return leads;
    }
}
