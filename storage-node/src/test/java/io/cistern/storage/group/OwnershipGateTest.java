package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.storage.group.OwnershipGate.Mode;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class OwnershipGateTest {
    private final OwnershipGate gate = new OwnershipGate();
    private final List<String> in = new ArrayList<>();

    private void enter(Mode mode, String who) {
        gate.enter(mode, () -> in.add(who));
    }

    @Test
    void thoseOfOneModeAreInTogetherAndOthersWaitTheirTurn() {
        enter(Mode.RELIES, "w1");
        enter(Mode.RELIES, "w2");
        enter(Mode.DISOWNS, "s1");
        enter(Mode.RELIES, "w3");
        enter(Mode.DISOWNS, "s2");
        assertThat(in).containsExactly("w1", "w2");
        gate.leave(Runnable::run);
        assertThat(in).hasSize(2);
        gate.leave(Runnable::run);
        assertThat(in).as("w3 came before s2").containsExactly("w1", "w2", "s1");
        gate.leave(Runnable::run);
        assertThat(in).endsWith("w3");
        gate.leave(Runnable::run);
        assertThat(in).endsWith("w3", "s2");
        enter(Mode.DISOWNS, "s3");
        assertThat(in).endsWith("s2", "s3");
    }

    @Test
    void whoIsAloneSharesWithNobody() {
        enter(Mode.ALONE, "a1");
        enter(Mode.ALONE, "a2");
        enter(Mode.DISOWNS, "s1");
        assertThat(in).containsExactly("a1");
        gate.leave(Runnable::run);
        assertThat(in).containsExactly("a1", "a2");
        gate.leave(Runnable::run);
        gate.leave(Runnable::run);
        enter(Mode.RELIES, "w1");
        assertThat(in).containsExactly("a1", "a2", "s1", "w1");
    }
}
