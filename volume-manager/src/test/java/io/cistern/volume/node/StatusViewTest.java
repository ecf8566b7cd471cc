package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.volume.ClusterStatus.GroupInfo;
import io.cistern.volume.ClusterStatus.ReplicaInfo;
import io.cistern.volume.ClusterStatus.ReplicaState;
import io.cistern.volume.node.NodeReport.ReplicaReport;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Role;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// What `status` calls a fault, and what not.
class StatusViewTest {
    private static ReplicaInfo info(String peer, ReplicaState state, @Nullable Double share) {
        return new ReplicaInfo(peer, peer.substring(0, 2), state, 1, 0, share, 0, 0);
    }

    private static Replica replica(String peer, Role role) {
        return new Replica(peer, peer.substring(0, 2), 0, role);
    }

    private static SystemState state(Replica... replicas) {
        SystemState none = SystemState.EMPTY;
        Node node = new Node("n0", "", "a", "w", "r", null, null, false, 3, 1, List.of());
        return new SystemState(
                1,
                "c",
                1,
                2,
                none.settings(),
                new TreeMap<>(Map.of("n0", node)),
                new TreeMap<>(Map.of(1L, new Group(1, 3, true, List.of(replicas)))),
                none.volumes(),
                none.tokens(),
                none.targets(),
                none.policy(),
                none.level(),
                none.recent());
    }

    private static List<String> reasons(SystemState state, GroupInfo group) {
        List<String> reasons = new ArrayList<>();
        GroupInfo system = new GroupInfo("g0", 0, "n0", 1, List.of(), 0);
        assertThat(StatusView.judge(state, List.of(system, group), Set.of(), reasons)).isTrue();
        return reasons;
    }

    @Test
    void aReplicaThatJoinsIsNoFaultAndDoesNotCount() {
        SystemState state =
                state(
                        replica("n0.1", Role.VOTER),
                        replica("n1.1", Role.VOTER),
                        replica("n2.1", Role.VOTER),
                        replica("n3.1", Role.LEARNER));
        List<ReplicaInfo> replicas =
                new ArrayList<>(
                        List.of(
                                info("n0.1", ReplicaState.LEADER, null),
                                info("n1.1", ReplicaState.FOLLOWER, null),
                                info("n2.1", ReplicaState.FOLLOWER, null),
                                info("n3.1", ReplicaState.CATCHING_UP, 0.42)));
        GroupInfo whole = new GroupInfo("g1", 3, "n0", 1, replicas, 0);
        assertThat(reasons(state, whole)).isEmpty();
        assertThat(StatusView.joining(state, List.of(whole)))
                .containsExactly("replica n3.1 is joining group g1: 42 % is copied");

        SystemState smaller =
                state(
                        replica("n0.1", Role.VOTER),
                        replica("n1.1", Role.VOTER),
                        replica("n3.1", Role.LEARNER));
        replicas.remove(2);
        GroupInfo two = new GroupInfo("g1", 3, "n0", 1, replicas, 0);
        assertThat(reasons(smaller, two))
                .containsExactly("group g1 has 2 of 3 replicas, and one more is joining");
        replicas.set(1, info("n1.1", ReplicaState.CATCHING_UP, null));
        assertThat(reasons(smaller, two))
                .as("a voter's lag is a fault")
                .contains("replica n1.1 of group g1 is catching up");
    }

    @Test
    void aReplicaThatTheStateNeverGaveOutIsReported() {
        SystemState state = state(replica("n0.1", Role.VOTER));
        List<String> reasons = new ArrayList<>();
        List<ReplicaReport> replicas =
                List.of(
                        Reporter.closed(1, "n0.1", null),
                        Reporter.closed(1, "n0.2", null),
                        Reporter.closed(1, "n0.3", null));
        NodeReport report = new NodeReport("n0", 1, 1, List.of(), replicas, List.of(), null);
        StatusView.judgeUnlisted(state, Map.of("n0", report), reasons);
        assertThat(reasons).singleElement().asString().contains("n0.3 of g1", "knows nothing");
    }
}
