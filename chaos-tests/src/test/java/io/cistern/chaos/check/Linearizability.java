package io.cistern.chaos.check;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Whether a register's history can be explained by operations that each took effect at one instant
/// between its call and its answer (Herlihy and Wing, 1990). The search is Wing and Gong's with
/// Lowe's memory of states seen ("Testing for linearizability", 2017).
///
/// An operation of unknown outcome may take effect at any time until it no longer can, or never.
/// Since a history is linearizable if and only if that of each register is, one register is looked
/// at at a time.
public final class Linearizability {
    /// States looked at before the search gives up, which has not been seen to happen.
    private static final int MOST_STATES = 2_000_000;

    /// Histories from this length on get a larger stack.
    private static final int DEEP = 500;

    private static final long STACK_BYTES = 512L << 20;

    private final List<Op> ops;
    private final Set<State> seen = new HashSet<>();
    private final BitSet done = new BitSet();
    private int required;
    private int deepest;
    private BitSet deepestDone = new BitSet();

    private record State(BitSet done, long value) {}

    private Linearizability(List<Op> ops) {
        this.ops = ops;
    }

    /// @return null if it is linearizable, else why not, for people
    public static @Nullable String check(List<Op> history, long initial) {
        List<Op> ops = new ArrayList<>(relevant(history));
        ops.sort(Comparator.comparingLong(Op::invoked).thenComparingLong(Op::ended));
        Linearizability search = new Linearizability(ops);
        search.required = (int) ops.stream().filter(Op::known).count();
        if (ops.size() < DEEP) {
            return search.result(initial);
        }
        return search.withRoom(initial);
    }

    private @Nullable String result(long initial) {
        return search(initial, Long.MIN_VALUE, 0) ? null : explain(initial);
    }

    /// The search goes as deep as the history is long.
    private @Nullable String withRoom(long initial) {
        List<String> found = new ArrayList<>();
        Thread thread =
                new Thread(
                        null,
                        () -> {
                            try {
                                String why = result(initial);
                                if (why != null) {
                                    found.add(why);
                                }
                            } catch (StackOverflowError e) {
                                found.add("the history is too long to be checked");
                            }
                        },
                        "linearizability",
                        STACK_BYTES);
        thread.start();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "interrupted";
        }
        return found.isEmpty() ? null : found.getFirst();
    }

    /// Leaves out what cannot matter: unknown writes whose values nobody saw, where no compare
    /// could have failed by them.
    private static List<Op> relevant(List<Op> history) {
        boolean failed =
                history.stream()
                        .anyMatch(o -> o.known() && o.kind() == Op.Kind.COMPARE && o.result() == 0);
        if (failed) {
            return history;
        }
        Set<Long> observed = new HashSet<>();
        for (Op op : history) {
            switch (op.kind()) {
                case READ -> observed.add(op.result());
                case COMPARE -> observed.add(op.expected());
                case WRITE -> {}
            }
        }
        return history.stream().filter(o -> o.known() || observed.contains(o.value())).toList();
    }

    private boolean search(long value, long newestCall, int count) {
        BitSet taken = new BitSet();
        // A read of what is there now loses nothing by being taken at once, unless that leaves an
        // operation of unknown outcome no more time to come first.
        long firstAnswer = firstAnswer();
        boolean progress = true;
        while (progress) {
            progress = false;
            for (int i = 0; i < ops.size(); i++) {
                Op op = ops.get(i);
                if (op.invoked() > firstAnswer) {
                    break;
                }
                if (!done.get(i)
                        && op.known()
                        && op.kind() == Op.Kind.READ
                        && op.result() == value
                        && (op.invoked() <= newestCall
                                || op.invoked() <= firstEndOfUnknown(newestCall))) {
                    done.set(i);
                    taken.set(i);
                    count++;
                    newestCall = Math.max(newestCall, op.invoked());
                    firstAnswer = firstAnswer();
                    progress = true;
                }
            }
        }
        if (count > deepest) {
            deepest = count;
            deepestDone = (BitSet) done.clone();
        }
        if (count == required) {
            return true;
        }
        if (seen.size() < MOST_STATES && seen.add(new State((BitSet) done.clone(), value))) {
            for (int i = 0; i < ops.size(); i++) {
                Op op = ops.get(i);
                if (op.invoked() > firstAnswer) {
                    break;
                }
                if (done.get(i) || (!op.known() && newestCall > op.ended())) {
                    continue;
                }
                Long next = effect(op, value);
                if (next == null) {
                    continue;
                }
                done.set(i);
                if (search(
                        next, Math.max(newestCall, op.invoked()), count + (op.known() ? 1 : 0))) {
                    return true;
                }
                done.clear(i);
            }
        }
        done.andNot(taken);
        return false;
    }

    /// When the first of the operations that are still to be placed was answered: what was called
    /// later comes later.
    private long firstAnswer() {
        long first = Long.MAX_VALUE;
        for (int i = done.nextClearBit(0); i < ops.size(); i = done.nextClearBit(i + 1)) {
            Op op = ops.get(i);
            if (op.known()) {
                first = Math.min(first, op.ended());
            }
            if (op.invoked() > first) {
                break;
            }
        }
        return first;
    }

    /// When the first of the operations of unknown outcome that can still come after `newestCall`
    /// no longer can.
    private long firstEndOfUnknown(long newestCall) {
        long first = Long.MAX_VALUE;
        for (int i = done.nextClearBit(0); i < ops.size(); i = done.nextClearBit(i + 1)) {
            Op op = ops.get(i);
            if (op.invoked() >= first) {
                break;
            }
            if (!op.known() && op.ended() >= newestCall) {
                first = Math.min(first, op.ended());
            }
        }
        return first;
    }

    /// The value after `op`, null where it cannot come here.
    private static @Nullable Long effect(Op op, long value) {
        return switch (op.kind()) {
            case READ -> op.result() == value ? value : null;
            case WRITE -> op.value();
            case COMPARE -> {
                if (!op.known()) {
                    yield op.expected() == value ? op.value() : null;
                }
                boolean success = op.result() == 1;
                if (success != (op.expected() == value)) {
                    yield null;
                }
                yield success ? op.value() : value;
            }
        };
    }

    private String explain(long initial) {
        StringBuilder text = new StringBuilder();
        text.append("no order explains it, from value ")
                .append(initial)
                .append("; at best the operations marked + fit\n");
        int firstOpen = deepestDone.nextClearBit(0);
        for (int i = Math.max(0, firstOpen - 12); i < Math.min(ops.size(), firstOpen + 30); i++) {
            text.append(deepestDone.get(i) ? "    + " : "      ").append(ops.get(i)).append('\n');
        }
        return text.toString();
    }

    /// For messages.
    @Override
    public String toString() {
        return Arrays.toString(ops.toArray());
    }
}
