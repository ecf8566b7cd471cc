package io.cistern.storage;

import io.cistern.storage.Branch.Point;
import java.util.concurrent.locks.StampedLock;

/// Lets readers walk up a branch's line of parents, asking each which granules it has, while rows
/// move from a branch to its only child. A row's bit is set on the child first and cleared on the
/// branch afterwards; without more, a walk that is at the child before the one and at the branch
/// after the other would find the granule on neither, and take it for a hole. Walks take no lock
/// unless a row has moved meanwhile.
final class GranuleMoves {
    private final StampedLock lock = new StampedLock();

    /// The first granule from `from` on that may have rows for a reader at `branch`;
    /// [Long#MAX_VALUE] if there is none.
    long next(Branch branch, long from) {
        long stamp = lock.tryOptimisticRead();
        if (stamp != 0) {
            long found = walk(branch, from);
            if (lock.validate(stamp)) {
                return found;
            }
        }
        stamp = lock.readLock();
        try {
            return walk(branch, from);
        } finally {
            lock.unlockRead(stamp);
        }
    }

    private static long walk(Branch branch, long from) {
        long least = Long.MAX_VALUE;
        Branch at = branch;
        while (true) {
            least = Math.min(least, at.granules.next(from));
            Point next = at.parent;
            if (next == null || least == from) {
                return least;
            }
            at = next.branch();
        }
    }

    /// The last row of `branch` for the granule is the child's now, whose bit is set.
    void moved(Branch branch, long granule) {
        long stamp = lock.writeLock();
        try {
            branch.granules.remove(granule);
        } finally {
            lock.unlockWrite(stamp);
        }
    }
}
