package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.volume.ClusterStatus.WorkInfo;
import io.cistern.volume.node.NodeReport.ReplicaReport;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemCommand.Place;
import io.cistern.volume.system.SystemRules;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Disk;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Role;
import io.cistern.volume.system.SystemState.Settings;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// What is done about a node that is drained, step by step, and what is said of it.
class MembershipsTest {
    private static final long HELD = 1000;

    private record Sent(String node, NodeOrder order, CompletableFuture<NodeOrder.Done> answer) {}

    private final List<Sent> sent = new ArrayList<>();
    private int looks;
    private long nanos;
    private long millis = 1_000;
    private final Silence silence = new Silence(() -> nanos);
    private final Memberships memberships =
            new Memberships(
                    new Memberships.Actions() {
                        @Override
                        public void propose(SystemCommand command) {
                            apply(command);
                        }

                        @Override
                        public CompletableFuture<NodeOrder.Done> order(
                                String node, NodeOrder order) {
                            CompletableFuture<NodeOrder.Done> answer = new CompletableFuture<>();
                            sent.add(new Sent(node, order, answer));
                            return answer;
                        }
                    },
                    silence,
                    () -> looks++);

    private SystemState state = SystemState.EMPTY;

    /// Peer ids that the group's leader says are members, by group.
    private final Map<Long, List<String>> members = new HashMap<>();

    /// Nodes that lead, by group.
    private final Map<Long, String> leaders = new HashMap<>(Map.of(0L, "n0", 1L, "n0"));

    /// Bytes that a learner has, by group; a group that is not named has no open learner.
    private final Map<Long, Long> arrived = new HashMap<>();

    MembershipsTest() {
        List<Node> nodes = Stream.of("n0", "n1", "n2", "n3").map(MembershipsTest::node).toList();
        apply(
                new SystemCommand.Form(
                        "form", "c", Settings.DEFAULT, nodes, List.of("n0", "n1", "n2")));
        List<Place> places = Stream.of("n0", "n1", "n2").map(n -> new Place(n, 0)).toList();
        apply(new SystemCommand.CreateGroup("make", places));
        apply(new SystemCommand.GroupReady("ready", 1));
        for (long group : List.of(0L, 1L)) {
            members.put(group, group(group).voters().stream().map(Replica::peer).toList());
        }
        // The leaders' first orders are about what is so already.
        step();
        settle();
        apply(new SystemCommand.DrainNode("drain", "n2", true));
    }

    private static Node node(String name) {
        List<Disk> disks = List.of(new Disk(0, "/d", 0, false));
        return new Node(name, "z", "a", "w:1", name + ":1", null, null, false, 1, 1, disks);
    }

    private void apply(SystemCommand command) {
        SystemRules.Step step = SystemRules.apply(state, command);
        assertThat(step.outcome().error()).as(step.outcome().message()).isNull();
        state = step.state();
    }

    private Group group(long id) {
        return Objects.requireNonNull(state.groups().get(id));
    }

    private Map<String, NodeReport> reports() {
        Map<String, NodeReport> reports = new HashMap<>();
        for (String node : state.nodes().keySet()) {
            List<ReplicaReport> replicas = new ArrayList<>();
            for (Group group : state.groups().values()) {
                for (Replica replica : group.replicas()) {
                    boolean learner = replica.role() == Role.LEARNER;
                    if (replica.node().equals(node)
                            && (!learner || arrived.containsKey(group.id()))) {
                        replicas.add(report(group, replica, learner));
                    }
                }
            }
            NodeReport.DiskReport disk =
                    new NodeReport.DiskReport(0, "/d", 1L << 30, 1L << 29, null);
            reports.put(node, new NodeReport(node, 1, 1, List.of(disk), replicas, List.of(), null));
        }
        return reports;
    }

    private ReplicaReport report(Group group, Replica replica, boolean learner) {
        boolean leads = replica.node().equals(leaders.get(group.id()));
        long bytes = group.id() == 0 ? 0 : learner ? arrived.getOrDefault(1L, 0L) : HELD;
        return new ReplicaReport(
                group.id(),
                replica.peer(),
                leads,
                null,
                leads && !replica.node().equals("n0") ? 2 : 1,
                learner && bytes < HELD && group.id() != 0 ? -1 : 5,
                0,
                members.getOrDefault(group.id(), List.of()),
                false,
                null,
                null,
                0,
                0,
                new NodeReport.Amounts(bytes, 0, 0),
                false);
    }

    private void step() {
        Map<String, NodeReport> reports = reports();
        silence.heard(state, reports);
        for (Group group : state.groups().values()) {
            memberships.step(state, group(group.id()), reports, new Moves(state, false));
        }
    }

    /// Carries out what has been ordered.
    private void settle() {
        for (Sent order : List.copyOf(sent)) {
            carryOut(order);
        }
        sent.clear();
    }

    private void carryOut(Sent sent) {
        switch (sent.order) {
            case NodeOrder.SetMembers o ->
                    members.put(
                            o.group(),
                            Stream.concat(o.voters().stream(), o.learners().stream())
                                    .map(NodeOrder.Place::peer)
                                    .toList());
            case NodeOrder.Transfer o ->
                    leaders.put(
                            o.group(),
                            Objects.requireNonNull(group(o.group()).replica(o.peer())).node());
            default -> throw new AssertionError(sent.order);
        }
        sent.answer.complete(NodeOrder.Done.NOTHING);
    }

    private List<String> orders() {
        return sent.stream()
                .map(s -> s.node + " " + s.order.getClass().getSimpleName())
                .sorted()
                .toList();
    }

    @Test
    void aGroupWhoseLearnerIsCopiedHoldsNoOtherUp() {
        step(); // both get a learner
        arrived.put(0L, 0L);
        arrived.put(1L, 0L);
        step();
        assertThat(orders()).containsExactly("n0 SetMembers", "n0 SetMembers");
        Sent small = sent.stream().filter(s -> isAbout(s.order, 0)).findFirst().orElseThrow();
        carryOut(small);
        sent.remove(small);
        for (int i = 0; i < 10 && group(0).replicas().stream().anyMatch(r -> leaves(r)); i++) {
            step();
            sent.stream().filter(s -> isAbout(s.order, 0)).toList().forEach(this::carryOut);
            sent.removeIf(s -> isAbout(s.order, 0));
        }
        assertThat(group(0).replicas()).as("moved meanwhile").noneMatch(r -> leaves(r));
        assertThat(orders())
                .as("still copied, and not asked again")
                .containsExactly("n0 SetMembers");
        arrived.put(1L, HELD);
        for (int i = 0; i < 10 && group(1).replicas().stream().anyMatch(r -> leaves(r)); i++) {
            settle();
            step();
        }
        assertThat(group(1).replicas()).noneMatch(r -> leaves(r));
    }

    private static boolean leaves(Replica replica) {
        return replica.node().equals("n2");
    }

    private static boolean isAbout(NodeOrder order, long group) {
        return order instanceof NodeOrder.SetMembers o && o.group() == group;
    }

    @Test
    void whatIsCarriedOutIsFollowedAtOnceAndWhatIsRefusedAtTheNextLook() {
        step();
        arrived.put(1L, 0L);
        sent.clear();
        looks = 0;
        step();
        sent.removeIf(s -> isAbout(s.order, 0));
        sent.getFirst()
                .answer
                .completeExceptionally(new CisternException(ErrorCode.UNAVAILABLE, "in progress"));
        assertThat(looks).as("asking again at once would bring the same").isZero();
        sent.clear();
        step();
        assertThat(orders()).contains("n0 SetMembers");
        settle();
        assertThat(looks).isPositive();
    }

    @Test
    void aLeaderThatSaysYesAndReportsOtherMembersIsNotAskedWithoutEnd() {
        step();
        arrived.put(1L, 0L);
        step();
        for (int i = 0; i < 3; i++) {
            looks = 0;
            sent.removeIf(s -> !isAbout(s.order, 1));
            assertThat(orders()).containsExactly("n0 SetMembers");
            sent.getFirst().answer.complete(NodeOrder.Done.NOTHING);
            assertThat(looks).isEqualTo(i == 0 ? 1 : 0);
            sent.clear();
            step();
        }
    }

    @Test
    void aNewLeaderIsOrderedAlthoughTheOldOneHasNotAnswered() {
        step();
        arrived.put(1L, 0L);
        step();
        sent.clear();
        step();
        assertThat(sent).as("it is being done").isEmpty();
        leaders.put(1L, "n1");
        step();
        assertThat(orders()).containsExactly("n1 SetMembers");
    }

    @Test
    void aLeaderThatIsToLeaveHandsOverFirst() {
        leaders.put(1L, "n2");
        step();
        arrived.put(1L, HELD);
        for (int i = 0;
                i < 20 && sent.stream().noneMatch(s -> s.order instanceof NodeOrder.Transfer);
                i++) {
            settle();
            step();
        }
        assertThat(orders()).contains("n2 Transfer");
        assertThat(group(1).replicas())
                .filteredOn(r -> r.role() == Role.VOTER)
                .anyMatch(r -> leaves(r));
        for (int i = 0; i < 10 && group(1).replicas().stream().anyMatch(r -> leaves(r)); i++) {
            settle();
            step();
        }
        assertThat(leaders.get(1L)).isNotEqualTo("n2");
        assertThat(group(1).replicas()).noneMatch(r -> leaves(r));
    }

    // ---- what is said of it

    private final Work work = new Work("n0");
    private final Journeys journeys = new Journeys(work, silence, () -> millis);

    private WorkInfo drain() {
        journeys.step(state, reports());
        assertThat(work.running()).hasSize(1);
        return work.running().getFirst();
    }

    @Test
    void aDrainSaysWhatItDoesBeforeTheFirstByteMoves() {
        assertThat(drain().step()).isEqualTo("system group: waiting; g1: waiting");
        step();
        assertThat(drain().step())
                .isEqualTo("system group: opening a replica on n3; g1: opening a replica on n3");
        arrived.put(0L, 0L);
        arrived.put(1L, 0L);
        millis += 5_000;
        WorkInfo copying = drain();
        assertThat(copying.step()).isEqualTo("system group: copying to n3; g1: copying to n3");
        assertThat(copying.etaMillis()).isEqualTo(-1);
        millis += 1_000;
        arrived.put(1L, HELD / 4);
        WorkInfo quarter = drain();
        assertThat(quarter.done()).isEqualTo(HELD / 4);
        assertThat(quarter.etaMillis())
                .as("the wait before is no part of the rate")
                .isEqualTo(3_000);
        arrived.put(1L, HELD);
        step();
        settle();
        assertThat(drain().step())
                .isEqualTo("system group: giving a vote to n3; g1: giving a vote to n3");
        step();
        assertThat(drain().step())
                .isEqualTo("system group: changing its members; g1: changing its members");
        leaders.remove(1L);
        assertThat(drain().step()).contains("g1: waiting for a leader");
        leaders.put(1L, "n0");
        for (int i = 0; i < 10; i++) {
            settle();
            step();
        }
        journeys.step(state, reports());
        assertThat(work.running()).isEmpty();
    }
}
