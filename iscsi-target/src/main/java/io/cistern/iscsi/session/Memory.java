package io.cistern.iscsi.session;

/// A session's budget within its portal's: bytes are taken from both or from neither.
final class Memory {
    private final MemoryBudget session;
    private final MemoryBudget portal;

    Memory(long sessionBytes, MemoryBudget portal) {
        this.session = new MemoryBudget(sessionBytes);
        this.portal = portal;
    }

    boolean tryTake(long bytes) {
        if (!session.tryTake(bytes)) {
            return false;
        }
        if (!portal.tryTake(bytes)) {
            session.give(bytes);
            return false;
        }
        return true;
    }

    /// For data that comes without being asked for.
    boolean tryTakeUnasked(long bytes) {
        if (!session.tryTakeUnasked(bytes)) {
            return false;
        }
        if (!portal.tryTakeUnasked(bytes)) {
            session.give(bytes);
            return false;
        }
        return true;
    }

    void give(long bytes) {
        if (bytes > 0) {
            session.give(bytes);
            portal.give(bytes);
        }
    }

    /// Calls `retry` once when the portal has memory again; as [MemoryBudget#await]. What the
    /// session itself gives back, its own event loop sees.
    void awaitPortal(Runnable retry) {
        portal.await(retry);
    }

    long freeUnasked() {
        return Math.min(session.freeUnasked(), portal.freeUnasked());
    }
}
