package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class BlockLocksTest {
    /// A claim as the test sees it.
    private static final class Claim {
        final int first;
        final int end;
        final boolean firstAlone;
        final boolean lastAlone;
        final BlockLocks.Hold hold;
        boolean held;

        Claim(int first, int length, boolean firstAlone, boolean lastAlone) {
            this.first = first;
            this.end = first + length;
            this.firstAlone = firstAlone;
            this.lastAlone = lastAlone;
            this.hold =
                    new BlockLocks.Hold(first, end, firstAlone, lastAlone, () -> this.held = true);
        }

        boolean alone(int block) {
            return (firstAlone && block == first) || (lastAlone && block == end - 1);
        }

        boolean clashes(Claim other) {
            for (int b = Math.max(first, other.first); b < Math.min(end, other.end); b++) {
                if (alone(b) || other.alone(b)) {
                    return true;
                }
            }
            return false;
        }
    }

    @Property(tries = 500)
    void neverLetsTwoHoldWhatOneWantsAloneAndServesInOrder(
            @ForAll @Size(max = 120) List<@IntRange(min = 0, max = 9999) Integer> steps) {
        BlockLocks locks = new BlockLocks();
        List<Claim> claims = new ArrayList<>();
        for (int step : steps) {
            List<Claim> held = claims.stream().filter(c -> c.held).toList();
            if (step % 3 == 0 && !held.isEmpty()) {
                Claim done = held.get(step / 3 % held.size());
                claims.remove(done);
                locks.release(done.hold);
            } else {
                Claim claim =
                        new Claim(step % 11, 1 + step / 11 % 5, step % 7 == 0, step / 7 % 5 == 0);
                claims.add(claim);
                claim.held = locks.acquire(claim.hold);
            }
            check(claims);
        }
        while (!claims.isEmpty()) {
            Claim next = claims.stream().filter(c -> c.held).findFirst().orElseThrow();
            claims.remove(next);
            locks.release(next.hold);
            check(claims);
        }
        assertThat(locks.idle()).isTrue();
    }

    /// A claim is held exactly if it clashes with nothing that came before it.
    private static void check(List<Claim> claims) {
        for (int i = 0; i < claims.size(); i++) {
            Claim claim = claims.get(i);
            boolean clash = claims.subList(0, i).stream().anyMatch(claim::clashes);
            assertThat(claim.held).isEqualTo(!clash);
        }
    }

    @Test
    void refusesToQueueWithoutEnd() {
        BlockLocks locks = new BlockLocks();
        assertThat(locks.acquire(new BlockLocks.Hold(0, 1, true, false, () -> {}))).isTrue();
        for (int i = 0; i < BlockLocks.MAX_WAITING; i++) {
            assertThat(locks.acquire(new BlockLocks.Hold(0, 1, false, false, () -> {}))).isFalse();
        }
        assertThatThrownBy(() -> locks.acquire(new BlockLocks.Hold(0, 1, false, false, () -> {})))
                .isInstanceOf(CisternException.class)
                .hasMessageContaining("wait for others");
    }

    @Test
    void refusesToReleaseWhatIsNotHeld() {
        BlockLocks locks = new BlockLocks();
        BlockLocks.Hold hold = new BlockLocks.Hold(0, 1, false, false, () -> {});
        assertThatThrownBy(() -> locks.release(hold)).isInstanceOf(IllegalStateException.class);
    }
}
