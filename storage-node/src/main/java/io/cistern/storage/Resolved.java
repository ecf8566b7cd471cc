package io.cistern.storage;

import java.util.ArrayList;
import java.util.List;

/// Where each block of a granule is to be read, as seen from one point: rows, newest first, and
/// what each contributes. Immutable.
///
/// @param sources the first is the newest row of the point's own branch, if it has any there, even
///   where it contributes nothing; the others contribute something
record Resolved(Source[] sources) {
    static final Resolved HOLE = new Resolved(new Source[0]);

    /// @param data blocks read from this row
    /// @param zeroes blocks this row makes zero
    record Source(long branch, int epoch, Row row, int data, int zeroes) {}

    /// Collects sources from the newest to the oldest.
    static final class Builder {
        private final List<Source> sources = new ArrayList<>(2);
        private int open = Slots.ALL;

        /// False once nothing older can contribute.
        boolean add(RowKey key, Row row) {
            int data = row.valid() & open;
            int zeroes = row.zero() & open;
            if ((data | zeroes) != 0 || sources.isEmpty()) {
                sources.add(new Source(key.branch(), key.epoch(), row, data, zeroes));
            }
            open &= ~(data | zeroes);
            return open != 0;
        }

        Resolved build() {
            return sources.isEmpty() ? HOLE : new Resolved(sources.toArray(new Source[0]));
        }
    }

    /// Blocks that hold data.
    int data() {
        int bits = 0;
        for (Source s : sources) {
            bits |= s.data;
        }
        return bits;
    }

    /// The row of exactly this branch and epoch, if it is the newest.
    @org.jspecify.annotations.Nullable
    Row own(long branch, int epoch) {
        if (sources.length == 0) {
            return null;
        }
        Source first = sources[0];
        return first.branch == branch && first.epoch == epoch ? first.row : null;
    }

    /// Whether the newest row is of an older epoch of this branch that nothing tells from its head.
    boolean adoptable(Branch branch) {
        if (sources.length == 0) {
            return false;
        }
        Source first = sources[0];
        return first.branch == branch.id
                && first.epoch != branch.head
                && branch.liveFrom(first.epoch) == branch.head;
    }

    /// The source a block is read from, null where it reads as zeroes.
    @org.jspecify.annotations.Nullable
    Source of(int block) {
        for (Source s : sources) {
            if ((s.data & 1 << block) != 0) {
                return s;
            }
        }
        return null;
    }

    /// This, after `row` became what `epoch` of the branch holds; it replaces a row of that epoch
    /// or is newer than all there are.
    Resolved with(long branch, int epoch, Row row) {
        boolean replaces = own(branch, epoch) != null;
        int masked = row.valid() | row.zero();
        int kept = 1;
        for (int i = replaces ? 1 : 0; i < sources.length; i++) {
            if (((sources[i].data | sources[i].zeroes) & ~masked) != 0) {
                kept++;
            }
        }
        Source[] next = new Source[kept];
        next[0] = new Source(branch, epoch, row, row.valid(), row.zero());
        int n = 1;
        for (int i = replaces ? 1 : 0; i < sources.length; i++) {
            Source s = sources[i];
            if (((s.data | s.zeroes) & ~masked) != 0) {
                next[n++] =
                        masked == 0 || ((s.data | s.zeroes) & masked) == 0
                                ? s
                                : new Source(
                                        s.branch,
                                        s.epoch,
                                        s.row,
                                        s.data & ~masked,
                                        s.zeroes & ~masked);
            }
        }
        return new Resolved(next);
    }

    /// Rough size in memory, bytes.
    int weight() {
        return 96 + sources.length * 180;
    }
}
