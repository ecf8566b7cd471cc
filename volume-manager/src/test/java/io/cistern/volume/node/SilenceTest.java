package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemRules;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Disk;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Policy;
import io.cistern.volume.system.SystemState.Settings;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// When a node that does not answer is given up, and how many replicas move at a time.
class SilenceTest {
    private long now;
    private final Silence silence = new Silence(() -> now);

    private static Node node(String name) {
        List<Disk> disks = List.of(new Disk(0, "/d", 0, false));
        return new Node(name, "z", "a", "w", "r", null, null, false, 1, 1, disks);
    }

    private static NodeReport report(String name) {
        return new NodeReport(name, 1, 1, List.of(), List.of(), List.of(), null);
    }

    private static SystemState apply(SystemState state, SystemCommand command) {
        SystemRules.Step step = SystemRules.apply(state, command);
        assertThat(step.outcome().error()).isNull();
        return step.state();
    }

    private static SystemState state() {
        List<Node> nodes = List.of(node("n0"), node("n1"), node("n2"), node("n3"));
        SystemState formed =
                apply(
                        SystemState.EMPTY,
                        new SystemCommand.Form(
                                "f", "c", Settings.DEFAULT, nodes, List.of("n0", "n1", "n2")));
        return apply(formed, new SystemCommand.SetPolicy("p", new Policy(30, true, 0)));
    }

    private void hear(String... names) {
        Map<String, NodeReport> reports = new java.util.HashMap<>();
        for (String name : names) {
            reports.put(name, report(name));
        }
        silence.heard(state(), reports);
    }

    @Test
    void aNodeIsGivenUpAfterTheTimeThatIsSetAndNotBefore() {
        hear("n0", "n1");
        now += TimeUnit.SECONDS.toNanos(29);
        hear("n0", "n1");
        assertThat(silence.dead(state(), "n2")).isFalse();
        now += TimeUnit.SECONDS.toNanos(1);
        assertThat(silence.dead(state(), "n2")).isTrue();
        assertThat(silence.dead(state(), "n0")).isFalse();
        hear("n0", "n1", "n2");
        assertThat(silence.dead(state(), "n2")).as("it answers again").isFalse();
        assertThat(silence.dead(state(), "n3")).isTrue();
        silence.reset();
        assertThat(silence.dead(state(), "n3")).as("another leader counts anew").isFalse();
    }

    @Test
    void aFewReplicasMoveAtATimeAndLossesComeFirst() {
        SystemState state = state();
        Moves moves = new Moves(state, false);
        for (int i = 0; i < Moves.MOST; i++) {
            assertThat(moves.take(1 + i, false)).isTrue();
        }
        assertThat(moves.take(9, true)).isFalse();
        assertThat(moves.take(0, false)).as("the system group waits for nobody").isTrue();
        Moves mending = new Moves(state, true);
        assertThat(mending.take(1, false)).isFalse();
        assertThat(mending.take(2, true)).isTrue();
    }
}
