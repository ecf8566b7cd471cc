package io.cistern.nas.state;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.state.RangeLocks.Range;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/// Against a model with one cell per byte.
class RangeLocksTest {
    private static final int BYTES = 24;
    private static final int OWNERS = 3;

    /// @param kind 0 unlock, 1 shared, 2 exclusive
    record Step(int owner, int first, int length, int kind) {}

    @Provide
    Arbitrary<Step> steps() {
        return Combinators.combine(
                        Arbitraries.integers().between(0, OWNERS - 1),
                        Arbitraries.integers().between(0, BYTES - 1),
                        Arbitraries.integers().between(1, BYTES),
                        Arbitraries.integers().between(0, 2))
                .as((o, f, l, k) -> new Step(o, f, Math.min(l, BYTES - f), k));
    }

    private static LockOwner owner(int n) {
        return new LockOwner(n, ByteString.utf8("o"));
    }

    @Property(tries = 500)
    void behavesAsOneLockPerByte(@ForAll List<@net.jqwik.api.From("steps") Step> steps) {
        RangeLocks locks = new RangeLocks();
        int[][] model = new int[OWNERS][BYTES];
        int count = 0;
        for (Step s : steps) {
            long last = s.first + s.length - 1;
            if (s.kind == 0) {
                count += locks.clear(owner(s.owner), s.first, last);
                fill(model[s.owner], s, 0);
            } else {
                Range wanted = new Range(owner(s.owner), s.first, last, s.kind == 2);
                boolean blocked = blocked(model, s);
                assertThat(locks.conflict(wanted) != null).isEqualTo(blocked);
                if (!blocked) {
                    count += locks.set(wanted);
                    fill(model[s.owner], s, s.kind);
                }
            }
            check(locks, model);
            assertThat(locks.ranges()).hasSize(count);
        }
    }

    private static void fill(int[] cells, Step s, int kind) {
        for (int i = s.first; i < s.first + s.length; i++) {
            cells[i] = kind;
        }
    }

    private static boolean blocked(int[][] model, Step s) {
        for (int o = 0; o < OWNERS; o++) {
            for (int i = s.first; o != s.owner && i < s.first + s.length; i++) {
                if (model[o][i] == 2 || (model[o][i] == 1 && s.kind == 2)) {
                    return true;
                }
            }
        }
        return false;
    }

    private static void check(RangeLocks locks, int[][] model) {
        int[][] actual = new int[OWNERS][BYTES];
        int runs = 0;
        for (Range r : locks.ranges()) {
            for (long i = r.first(); i <= r.last(); i++) {
                int o = (int) r.owner().client();
                assertThat(actual[o][(int) i]).as("ranges of one owner overlap").isZero();
                actual[o][(int) i] = r.exclusive() ? 2 : 1;
            }
        }
        assertThat(actual).isDeepEqualTo(model);
        for (int[] cells : model) {
            for (int i = 0; i < BYTES; i++) {
                runs += cells[i] != 0 && (i == 0 || cells[i - 1] != cells[i]) ? 1 : 0;
            }
        }
        assertThat(locks.ranges()).as("neighbours are merged").hasSize(runs);
    }

    @Test
    void theLastByteOfSixtyFourBitsCanBeLocked() {
        RangeLocks locks = new RangeLocks();
        locks.set(new Range(owner(1), 10, -1, true));
        locks.clear(owner(1), 20, 29);
        assertThat(locks.ranges())
                .containsExactly(
                        new Range(owner(1), 10, 19, true), new Range(owner(1), 30, -1, true));
        assertThat(locks.conflict(new Range(owner(2), -1, -1, false))).isNotNull();
        assertThat(locks.conflict(new Range(owner(2), 20, 29, true))).isNull();
        locks.set(new Range(owner(1), 20, 29, true));
        assertThat(locks.ranges()).containsExactly(new Range(owner(1), 10, -1, true));
    }
}
