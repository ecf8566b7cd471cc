package io.cistern.storage;

import java.lang.invoke.VarHandle;

/// Lets a reader tell whether an atomic write touched what it has just read. Writes are applied one
/// at a time; a reader notes the stamp before it reads and asks afterwards. Without atomic writes
/// that costs two volatile reads.
final class AtomicRanges {
    /// How often a reader tries before it keeps writes out.
    static final int ATTEMPTS = 3;

    /// Writes remembered. A reader that was slower than so many counts as touched.
    private static final int REMEMBERED = 64;

    /// Twice the number of writes begun, less one while one is under way.
    private volatile long stamp;

    // Guarded by this.
    private final long[] branch = new long[REMEMBERED];
    private final long[] from = new long[REMEMBERED];
    private final long[] end = new long[REMEMBERED];

    /// For [#touched].
    long stamp() {
        return stamp;
    }

    synchronized void begin(long ofBranch, long offset, long length) {
        long next = stamp + 1;
        int at = slot(next);
        branch[at] = ofBranch;
        from[at] = offset;
        end[at] = offset + length;
        stamp = next;
        VarHandle.fullFence();
    }

    synchronized void end() {
        stamp++;
    }

    /// True if a write to the range was under way at any time since `before` was taken.
    boolean touched(long before, long ofBranch, long offset, long length) {
        VarHandle.acquireFence();
        long now = stamp;
        return (now != before || (now & 1) != 0) && overlaps(before, ofBranch, offset, length);
    }

    private synchronized boolean overlaps(long before, long ofBranch, long offset, long length) {
        // An odd stamp stands for the write under way when it was taken, which counts.
        long first = before | 1;
        long last = (stamp - 1) | 1;
        if ((last - first) / 2 >= REMEMBERED) {
            return true;
        }
        for (long s = first; s <= last; s += 2) {
            int at = slot(s);
            if (branch[at] == ofBranch && from[at] < offset + length && offset < end[at]) {
                return true;
            }
        }
        return false;
    }

    private static int slot(long odd) {
        return (int) ((odd >> 1) % REMEMBERED);
    }
}
