package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Orders the writes of one volume that are in flight on the leader, so that a read-modify-write of
/// part of a 4 KiB block never loses what another write puts into the same block.
///
/// A write holds the range of blocks it touches from before it looks at their contents until it is
/// applied. It shares the blocks it replaces whole, and has those it changes in part (at most its
/// first and its last) to itself; one that depends on all it replaces has them all to itself. A
/// write takes all its blocks at once or waits, and those who wait are served in order, so there is
/// neither deadlock nor starvation.
///
/// While nobody changes blocks in part, taking and leaving cost one short critical section and no
/// search. Any thread may call any method; grants are run outside the lock by whoever released.
final class BlockLocks {
    /// Most writes of one volume that may wait here.
    static final int MAX_WAITING = 8192;

    private final Hold head = new Hold(0, 0, false, false, () -> {});
    private final ArrayDeque<Hold> waiting = new ArrayDeque<>();
    private int exclusives;

    BlockLocks() {
        head.next = head;
        head.previous = head;
    }

    /// A write's claim on blocks `[first, end)`.
    static final class Hold {
        private final long first;
        private final long end;
        private final boolean firstAlone;
        private final boolean lastAlone;
        private final boolean allAlone;
        private final Runnable granted;
        private @Nullable Hold previous;
        private @Nullable Hold next;

        /// @param granted run once the blocks are held, unless [BlockLocks#acquire] said so at once
        Hold(long first, long end, boolean firstAlone, boolean lastAlone, Runnable granted) {
            this(first, end, firstAlone, lastAlone, granted, false);
        }

        private Hold(
                long first,
                long end,
                boolean firstAlone,
                boolean lastAlone,
                Runnable granted,
                boolean allAlone) {
            this.first = first;
            this.end = end;
            this.firstAlone = firstAlone;
            this.lastAlone = lastAlone;
            this.allAlone = allAlone;
            this.granted = granted;
        }

        /// A claim on all of the blocks alone.
        static Hold alone(long first, long end, Runnable granted) {
            return new Hold(first, end, true, true, granted, true);
        }

        boolean exclusive() {
            return firstAlone || lastAlone;
        }

        private boolean covers(long block) {
            return first <= block && block < end;
        }

        private boolean bars(Hold other) {
            if (allAlone) {
                return first < other.end && other.first < end;
            }
            return (firstAlone && other.covers(first)) || (lastAlone && other.covers(end - 1));
        }

        private boolean conflicts(Hold other) {
            return bars(other) || other.bars(this);
        }
    }

    /// Takes the blocks of `hold`.
    ///
    /// @return true if they are held now; false if `granted` will be run once they are
    /// @throws CisternException LIMIT if too many writes wait
    synchronized boolean acquire(Hold hold) {
        if ((exclusives > 0 || hold.exclusive() || !waiting.isEmpty()) && blocked(hold)) {
            if (waiting.size() >= MAX_WAITING) {
                throw new CisternException(
                        ErrorCode.LIMIT,
                        "more than "
                                + MAX_WAITING
                                + " writes wait for others to the same blocks; send fewer at a time");
            }
            waiting.add(hold);
            return false;
        }
        link(hold);
        return true;
    }

    /// Gives up what [#acquire] took.
    void release(Hold hold) {
        List<Hold> free = List.of();
        synchronized (this) {
            unlink(hold);
            if (!waiting.isEmpty()) {
                free = grantable();
            }
        }
        for (Hold next : free) {
            next.granted.run();
        }
    }

    /// True if nothing is held: the volume's locks can be forgotten.
    synchronized boolean idle() {
        return head.next == head && waiting.isEmpty();
    }

    private boolean blocked(Hold hold) {
        if (conflictsWithActive(hold)) {
            return true;
        }
        for (Hold earlier : waiting) {
            if (earlier.conflicts(hold)) {
                return true;
            }
        }
        return false;
    }

    private boolean conflictsWithActive(Hold hold) {
        for (Hold h = head.next; h != null && h != head; h = h.next) {
            if (h.conflicts(hold)) {
                return true;
            }
        }
        return false;
    }

    private List<Hold> grantable() {
        List<Hold> granted = new ArrayList<>();
        List<Hold> kept = new ArrayList<>();
        Iterator<Hold> all = waiting.iterator();
        while (all.hasNext()) {
            Hold hold = all.next();
            if (conflictsWithActive(hold) || kept.stream().anyMatch(k -> k.conflicts(hold))) {
                kept.add(hold);
            } else {
                all.remove();
                link(hold);
                granted.add(hold);
            }
        }
        return granted;
    }

    private void link(Hold hold) {
        Hold last = java.util.Objects.requireNonNull(head.previous);
        hold.previous = last;
        hold.next = head;
        last.next = hold;
        head.previous = hold;
        if (hold.exclusive()) {
            exclusives++;
        }
    }

    private void unlink(Hold hold) {
        Hold before = hold.previous;
        Hold after = hold.next;
        if (before == null || after == null) {
            throw new IllegalStateException("released a range that is not held");
        }
        before.next = after;
        after.previous = before;
        hold.previous = null;
        hold.next = null;
        if (hold.exclusive()) {
            exclusives--;
        }
    }
}
