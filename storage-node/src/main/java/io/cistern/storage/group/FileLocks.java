package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.engine.Preparation.Range;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/// Orders the changes of files' contents that are in flight on the leader, as [BlockLocks] does for
/// volumes: what depends on contents has its range to itself from before it looks until it has
/// taken effect; what replaces whole blocks shares its range with its like. Served in order, so
/// there is neither deadlock nor starvation. Any thread may call any method.
final class FileLocks {
    /// Most changes that may wait here.
    static final int MAX_WAITING = 8192;

    private record File(long share, long inode) {}

    private static final class Queue {
        final List<Hold> active = new ArrayList<>();
        final List<Hold> waiting = new ArrayList<>();
    }

    private final Map<File, Queue> files = new HashMap<>();
    private int waiting;

    /// A change's claim on a range.
    static final class Hold {
        private final File file;
        private final Range range;
        private final boolean alone;
        private final Runnable granted;

        Hold(long share, Range range, boolean alone, Runnable granted) {
            this.file = new File(share, range.inode());
            this.range = range;
            this.alone = alone;
            this.granted = granted;
        }

        private boolean conflicts(Hold other) {
            return (alone || other.alone)
                    && range.from() < other.range.to()
                    && other.range.from() < range.to();
        }
    }

    /// @return true if the range is held now; false if `granted` will be run once it is
    /// @throws CisternException LIMIT
    synchronized boolean acquire(Hold hold) {
        Queue queue = files.computeIfAbsent(hold.file, f -> new Queue());
        if (conflicts(queue.active, hold) || conflicts(queue.waiting, hold)) {
            if (waiting >= MAX_WAITING) {
                throw new CisternException(
                        ErrorCode.LIMIT,
                        "more than "
                                + MAX_WAITING
                                + " changes wait for others of the same file; send fewer at a time");
            }
            waiting++;
            queue.waiting.add(hold);
            return false;
        }
        queue.active.add(hold);
        return true;
    }

    private static boolean conflicts(List<Hold> holds, Hold hold) {
        for (int i = 0; i < holds.size(); i++) {
            if (holds.get(i).conflicts(hold)) {
                return true;
            }
        }
        return false;
    }

    void release(Hold hold) {
        List<Hold> granted = new ArrayList<>();
        synchronized (this) {
            Queue queue = files.get(hold.file);
            if (queue == null || !queue.active.remove(hold)) {
                throw new IllegalStateException("released a range that is not held");
            }
            List<Hold> kept = new ArrayList<>();
            Iterator<Hold> all = queue.waiting.iterator();
            while (all.hasNext()) {
                Hold next = all.next();
                if (conflicts(queue.active, next) || conflicts(kept, next)) {
                    kept.add(next);
                } else {
                    all.remove();
                    queue.active.add(next);
                    granted.add(next);
                    waiting--;
                }
            }
            if (queue.active.isEmpty() && queue.waiting.isEmpty()) {
                files.remove(hold.file);
            }
        }
        granted.forEach(next -> next.granted.run());
    }
}
