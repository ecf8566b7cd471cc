package io.cistern.iscsi.session;

import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;

/// Bytes of data that a portal, or one session of it, may hold. Any thread.
///
/// Data that an initiator sends unasked may fill half of a budget; the other half is for data that
/// was asked for, so that what waits for the one cannot keep the other from ending.
final class MemoryBudget {
    private final long capacity;
    private final AtomicLong used = new AtomicLong();
    private final Queue<Runnable> waiting = new ConcurrentLinkedQueue<>();

    MemoryBudget(long capacity) {
        this.capacity = capacity;
    }

    /// Takes `bytes` if they fit.
    boolean tryTake(long bytes) {
        return tryTake(bytes, capacity);
    }

    /// Takes `bytes` if the unasked half has room.
    boolean tryTakeUnasked(long bytes) {
        return tryTake(bytes, capacity / 2);
    }

    private boolean tryTake(long bytes, long limit) {
        while (true) {
            long now = used.get();
            // What is larger than the whole budget passes alone.
            if (now + bytes > limit && now > 0) {
                return false;
            }
            if (used.compareAndSet(now, now + bytes)) {
                return true;
            }
        }
    }

    /// Gives `bytes` back and calls whoever waits now. Who then waits again, since there is still
    /// not enough, is called with the next bytes given back, not at once and for ever.
    void give(long bytes) {
        used.addAndGet(-bytes);
        List<Runnable> called = new ArrayList<>();
        for (Runnable next = waiting.poll(); next != null; next = waiting.poll()) {
            called.add(next);
        }
        called.forEach(Runnable::run);
    }

    /// Calls `retry` once after something was given back; it must be short. Bytes may have come
    /// back just before: try to take once more after the call.
    void await(Runnable retry) {
        waiting.add(retry);
    }

    /// Room for unasked data.
    long freeUnasked() {
        return Math.max(0, capacity / 2 - used.get());
    }

    long used() {
        return used.get();
    }
}
