package io.cistern.nas.state;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The byte-range locks of one file, with POSIX semantics: a lock of the same owner replaces what
/// it overlaps, so ranges are split, merged, upgraded and downgraded. One thread at a time.
///
/// Offsets are unsigned; a range ends with its last byte, and the largest offset stands for the end
/// of the file, however large.
public final class RangeLocks {
    /// @param first first byte, unsigned
    /// @param last last byte, unsigned, not below `first`
    public record Range(LockOwner owner, long first, long last, boolean exclusive) {
        public Range {
            if (Long.compareUnsigned(first, last) > 0) {
                throw new IllegalArgumentException("a range ends before it begins");
            }
        }

        boolean overlaps(long otherFirst, long otherLast) {
            return Long.compareUnsigned(first, otherLast) <= 0
                    && Long.compareUnsigned(otherFirst, last) <= 0;
        }
    }

    private List<Range> ranges = new ArrayList<>();

    public List<Range> ranges() {
        return List.copyOf(ranges);
    }

    public boolean isEmpty() {
        return ranges.isEmpty();
    }

    public int count(LockOwner owner) {
        int n = 0;
        for (Range range : ranges) {
            if (range.owner.equals(owner)) {
                n++;
            }
        }
        return n;
    }

    /// A lock of somebody else that `wanted` is incompatible with; null if none is.
    public @Nullable Range conflict(Range wanted) {
        for (Range held : ranges) {
            if (!held.owner.equals(wanted.owner)
                    && (held.exclusive || wanted.exclusive)
                    && held.overlaps(wanted.first, wanted.last)) {
                return held;
            }
        }
        return null;
    }

    /// Sets a lock; the caller has made sure that nothing is in conflict.
    ///
    /// @return by how much the number of ranges grew
    public int set(Range wanted) {
        int before = ranges.size();
        remove(wanted.owner, wanted.first, wanted.last);
        Range merged = wanted;
        List<Range> kept = new ArrayList<>(ranges.size() + 1);
        for (Range held : ranges) {
            if (held.owner.equals(wanted.owner)
                    && held.exclusive == wanted.exclusive
                    && touches(held, merged)) {
                merged =
                        new Range(
                                wanted.owner,
                                min(held.first, merged.first),
                                max(held.last, merged.last),
                                wanted.exclusive);
            } else {
                kept.add(held);
            }
        }
        kept.add(merged);
        ranges = kept;
        return ranges.size() - before;
    }

    /// Takes a range from an owner.
    ///
    /// @return by how much the number of ranges grew; below 0 where it shrank
    public int clear(LockOwner owner, long first, long last) {
        int before = ranges.size();
        remove(owner, first, last);
        return ranges.size() - before;
    }

    /// Drops all locks of the owners that `which` accepts.
    ///
    /// @return how many ranges
    public int clearAll(Predicate<LockOwner> which) {
        int before = ranges.size();
        ranges.removeIf(r -> which.test(r.owner));
        return before - ranges.size();
    }

    private void remove(LockOwner owner, long first, long last) {
        List<Range> kept = new ArrayList<>(ranges.size() + 1);
        for (Range held : ranges) {
            if (!held.owner.equals(owner) || !held.overlaps(first, last)) {
                kept.add(held);
                continue;
            }
            if (Long.compareUnsigned(held.first, first) < 0) {
                kept.add(new Range(owner, held.first, first - 1, held.exclusive));
            }
            if (Long.compareUnsigned(held.last, last) > 0) {
                kept.add(new Range(owner, last + 1, held.last, held.exclusive));
            }
        }
        ranges = kept;
    }

    /// Whether two ranges that do not overlap are next to each other.
    private static boolean touches(Range a, Range b) {
        return (a.last != -1 && a.last + 1 == b.first)
                || (b.last != -1 && b.last + 1 == a.first)
                || a.overlaps(b.first, b.last);
    }

    private static long min(long a, long b) {
        return Long.compareUnsigned(a, b) <= 0 ? a : b;
    }

    private static long max(long a, long b) {
        return Long.compareUnsigned(a, b) >= 0 ? a : b;
    }
}
