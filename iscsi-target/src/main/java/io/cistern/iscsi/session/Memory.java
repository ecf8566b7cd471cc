package io.cistern.iscsi.session;

import java.util.concurrent.atomic.AtomicBoolean;

/// A session's budget within its portal's: bytes are taken from both or from neither.
final class Memory {
    private final MemoryBudget session;
    private final MemoryBudget portal;
    private final Runnable cameFree;
    private final AtomicBoolean awaiting = new AtomicBoolean();

    /// @param cameFree called from any thread, once after each time that [#takeOrAwait] was false,
    ///   when the portal has memory again. What the session itself gives back, its own event loop
    ///   sees.
    Memory(long sessionBytes, MemoryBudget portal, Runnable cameFree) {
        this.cameFree = cameFree;
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

    /// False where there is no memory now.
    boolean takeOrAwait(long bytes) {
        if (tryTake(bytes)) {
            return true;
        }
        if (awaiting.compareAndSet(false, true)) {
            portal.await(() -> {
                awaiting.set(false);
                cameFree.run();
            });
        }
        return tryTake(bytes); // it may have come free before the call
    }

    long freeUnasked() {
        return Math.min(session.freeUnasked(), portal.freeUnasked());
    }
}
