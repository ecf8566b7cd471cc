package io.cistern.chaos.check;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.chaos.check.Checks.Books;
import io.cistern.chaos.check.Checks.Cut;
import io.cistern.chaos.check.Checks.Stall;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/// Histories that are right pass, and each kind of wrong one is found.
class LinearizabilityTest {
    private static Op write(long value, long from, long to) {
        return Op.write("a", value, from, to);
    }

    private static Op read(long value, long from, long to) {
        return Op.read("b", value, from, to);
    }

    private static void right(Op... ops) {
        assertThat(Linearizability.check(List.of(ops), 0)).isNull();
    }

    private static void wrong(Op... ops) {
        assertThat(Linearizability.check(List.of(ops), 0)).isNotNull();
    }

    @Test
    void whatIsReadWasWritten() {
        right(read(0, 0, 1), write(1, 2, 3), read(1, 4, 5));
        wrong(write(1, 2, 3), read(7, 4, 5));
    }

    @Test
    void aLostWriteIsFound() {
        wrong(write(1, 0, 1), write(2, 2, 3), read(1, 4, 5));
        wrong(write(1, 0, 1), read(0, 2, 3));
    }

    @Test
    void aReadDuringAWriteMaySeeEither() {
        right(write(1, 0, 10), read(0, 1, 2), read(1, 3, 4));
        right(write(1, 0, 10), read(1, 1, 2), read(1, 3, 4));
    }

    @Test
    void aReadThatGoesBackIsFound() {
        wrong(write(1, 0, 10), read(1, 1, 2), read(0, 3, 4));
    }

    @Test
    void anUnknownWriteMayHaveHappenedOrNot() {
        right(write(1, 0, 0).unknown(Op.NEVER), read(0, 1, 2), read(1, 50, 51), read(1, 60, 61));
        right(write(1, 0, 0).unknown(Op.NEVER), read(0, 1, 2), read(0, 50, 51));
    }

    @Test
    void anUnknownWriteThatComesAndGoesIsFound() {
        wrong(write(1, 0, 0).unknown(Op.NEVER), read(1, 1, 2), read(0, 3, 4), read(1, 5, 6));
    }

    @Test
    void aWriteThatTakesEffectTwiceIsFound() {
        wrong(write(1, 0, 1), write(2, 2, 3), read(2, 4, 5), read(1, 6, 7));
        wrong(
                write(1, 0, 0).unknown(Op.NEVER),
                read(1, 1, 2),
                write(2, 3, 4),
                read(2, 5, 6),
                read(1, 7, 8));
    }

    @Test
    void aFencedWriteThatTakesEffectAfterTheTakeoverIsFound() {
        right(write(1, 0, 0).unknown(10), read(0, 1, 2), read(1, 12, 13));
        wrong(write(1, 0, 0).unknown(10), read(0, 11, 12), read(1, 13, 14));
    }

    @Test
    void aComparisonHoldsOnlyForWhatIsThere() {
        right(write(1, 0, 1), Op.compare("a", 1, 2, true, 2, 3), read(2, 4, 5));
        right(write(1, 0, 1), Op.compare("a", 9, 2, false, 2, 3), read(1, 4, 5));
        wrong(write(1, 0, 1), Op.compare("a", 9, 2, true, 2, 3));
        wrong(write(1, 0, 1), Op.compare("a", 1, 2, false, 2, 3));
        wrong(write(1, 0, 1), Op.compare("a", 1, 2, true, 2, 9), Op.compare("b", 1, 3, true, 2, 9));
    }

    @Test
    void aComparisonOfUnknownOutcomeMayHaveWritten() {
        Op compare = Op.compare("a", 0, 5, true, 0, 0).unknown(Op.NEVER);
        right(compare, read(0, 1, 2), read(5, 3, 4));
        wrong(compare, read(5, 1, 2), read(0, 3, 4));
        right(compare, Op.compare("b", 7, 8, false, 1, 2), read(0, 3, 4));
    }

    @Test
    void aDiscardedBlockThatComesBackIsFound() {
        right(write(1, 0, 1), write(0, 2, 3), read(0, 4, 5));
        wrong(write(1, 0, 1), write(0, 2, 3), read(1, 4, 5));
    }

    @Test
    void aReadMayComeAfterAWriteThatItAlsoFitsBefore() {
        // The read of 1 fits at once, and then the unknown 2 is too late.
        right(
                write(1, 0, 1),
                write(2, 2, 0).unknown(4),
                read(1, 5, 9),
                Op.compare("a", 2, 1, true, 3, 9));
    }

    @Test
    void aLongHistoryIsChecked() {
        List<Op> history = new ArrayList<>();
        for (int n = 0; n < 5_000; n++) {
            history.add(Op.compare("a", n, n + 1, true, 4 * n, 4 * n + 1));
            history.add(read(n + 1, 4 * n + 2, 4 * n + 3));
        }
        assertThat(Linearizability.check(history, 0)).isNull();
        history.add(read(4_000, 30_000, 30_001));
        assertThat(Linearizability.check(history, 0)).isNotNull();
    }

    /// Histories made by a register are right; with one read's value replaced they are wrong, or a
    /// brute force agrees that they are not.
    @Test
    void agreesWithTryingEveryOrder() {
        long seed = Long.getLong("cistern.seed", System.nanoTime());
        Random random = new Random(seed);
        int wrong = 0;
        for (int round = 0; round < 3_000; round++) {
            List<Op> history = new ArrayList<>();
            int count = 2 + random.nextInt(5);
            for (int i = 0; i < count; i++) {
                long from = random.nextInt(12);
                long to = from + random.nextInt(8);
                Op op =
                        switch (random.nextInt(4)) {
                            case 0 -> write(1 + random.nextInt(2), from, to);
                            case 1 ->
                                    Op.compare(
                                            "c",
                                            random.nextInt(3),
                                            random.nextInt(3),
                                            random.nextBoolean(),
                                            from,
                                            to);
                            default -> read(random.nextInt(3), from, to);
                        };
                boolean unknown = op.kind() != Op.Kind.READ && random.nextInt(3) == 0;
                history.add(unknown ? op.unknown(random.nextBoolean() ? Op.NEVER : to) : op);
            }
            boolean expected = bruteForce(history, new ArrayList<>(), 0);
            wrong += expected ? 0 : 1;
            assertThat(Linearizability.check(history, 0) == null)
                    .as("-Dcistern.seed=%s: %s", seed, history)
                    .isEqualTo(expected);
        }
        assertThat(wrong).isBetween(300, 2_900);
    }

    private static boolean bruteForce(List<Op> left, List<Op> before, long value) {
        if (left.stream().noneMatch(Op::known)) {
            return true;
        }
        for (Op op : left) {
            boolean late = left.stream().anyMatch(o -> o.known() && o.ended() < op.invoked());
            boolean gone = before.stream().anyMatch(o -> op.ended() < o.invoked());
            if (late || gone) {
                continue;
            }
            long next = value;
            boolean fits = true;
            switch (op.kind()) {
                case READ -> fits = op.result() == value;
                case WRITE -> next = op.value();
                case COMPARE -> {
                    boolean equal = op.expected() == value;
                    fits = op.known() ? (op.result() == 1) == equal : equal;
                    next = equal ? op.value() : value;
                }
            }
            if (!fits) {
                continue;
            }
            List<Op> rest = new ArrayList<>(left);
            rest.remove(op);
            List<Op> longer = new ArrayList<>(before);
            longer.add(op);
            if (bruteForce(rest, longer, next)) {
                return true;
            }
        }
        return false;
    }

    // ---- the others

    @Test
    void anEffectThatCountsTwiceOrNotAtAllIsFound() {
        assertThat(Checks.exactlyOnce(List.of(0L, 1L, 2L), 0, 3)).isEmpty();
        assertThat(Checks.exactlyOnce(List.of(0L, 2L), 1, 3)).isEmpty();
        assertThat(Checks.exactlyOnce(List.of(0L, 1L, 2L), 0, 4)).isNotEmpty();
        assertThat(Checks.exactlyOnce(List.of(0L, 1L, 2L), 0, 2)).isNotEmpty();
        assertThat(Checks.exactlyOnce(List.of(0L, 1L, 1L), 0, 3)).isNotEmpty();
    }

    @Test
    void aSnapshotWithALaterWriteAndWithoutTheEarlierIsFound() {
        assertThat(Checks.cuts(List.of(new Cut("s", 4, 4), new Cut("t", 5, 4)))).isEmpty();
        assertThat(Checks.cuts(List.of(new Cut("s", 4, 5)))).isNotEmpty();
    }

    @Test
    void whatADiscardLeftIsFound() {
        assertThat(Checks.zeroes("b", new byte[512])).isEmpty();
        byte[] bytes = new byte[512];
        bytes[511] = 1;
        assertThat(Checks.zeroes("b", bytes)).isNotEmpty();
    }

    @Test
    void aReplicaThatDiffersIsFound() {
        TreeMap<String, Long> one = new TreeMap<>(Map.of("v/0", 1L, "v/1", 2L));
        assertThat(Checks.replicasEqual(Map.of("a", one, "b", new TreeMap<>(one)))).isEmpty();
        assertThat(Checks.replicasEqual(Map.of("a", one, "b", new TreeMap<>(Map.of("v/0", 1L)))))
                .isNotEmpty();
        TreeMap<String, Long> other = new TreeMap<>(Map.of("v/0", 1L, "v/1", 3L));
        assertThat(Checks.replicasEqual(Map.of("a", one, "b", other))).isNotEmpty();
    }

    @Test
    void booksThatDoNotAgreeAreFound() {
        assertThat(
                        Checks.booksEqual(
                                List.of(new Books("a", 5, 5, 5, 5), new Books("b", 5, 5, 5, 5))))
                .isEmpty();
        assertThat(Checks.booksEqual(List.of(new Books("a", 5, 5, 6, 5)))).isNotEmpty();
        assertThat(Checks.booksEqual(List.of(new Books("a", 5, 5, 5, 4)))).isNotEmpty();
        assertThat(
                        Checks.booksEqual(
                                List.of(new Books("a", 5, 5, 5, 5), new Books("b", 4, 5, 5, 5))))
                .isNotEmpty();
    }

    @Test
    void aStallIsFound() {
        assertThat(Checks.progress(List.of(new Stall("w", 9)), 10)).isEmpty();
        assertThat(Checks.progress(List.of(new Stall("w", 11)), 10)).isNotEmpty();
    }
}
