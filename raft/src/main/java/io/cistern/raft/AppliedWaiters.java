package io.cistern.raft;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/// The index applied so far, and who waits for it to move.
final class AppliedWaiters {
    /// Most callers that may wait at once.
    static final int MAX_WAITING = 1 << 16;

    private record Waiter(long index, CompletableFuture<Void> done) implements Comparable<Waiter> {
        @Override
        public int compareTo(Waiter other) {
            return Long.compare(index, other.index);
        }
    }

    private final ScheduledExecutorService timer;
    private final PriorityQueue<Waiter> waiting = new PriorityQueue<>();
    private volatile long applied = -1;
    private volatile long lowestWaiting = Long.MAX_VALUE;

    AppliedWaiters(ScheduledExecutorService timer) {
        this.timer = timer;
    }

    long applied() {
        return applied;
    }

    /// Called by the apply thread alone; completes waiters on it.
    void advanceTo(long index) {
        applied = index;
        if (lowestWaiting > index) {
            return;
        }
        List<Waiter> reached = new ArrayList<>();
        synchronized (waiting) {
            while (!waiting.isEmpty() && waiting.peek().index <= index) {
                reached.add(waiting.remove());
            }
            updateLowest();
        }
        reached.forEach(waiter -> waiter.done.complete(null));
    }

    CompletableFuture<Void> await(long index, Duration timeout) {
        if (applied >= index) {
            return CompletableFuture.completedFuture(null);
        }
        Waiter waiter = new Waiter(index, new CompletableFuture<>());
        synchronized (waiting) {
            if (waiting.size() >= MAX_WAITING) {
                return CompletableFuture.failedFuture(
                        new CisternException(
                                ErrorCode.LIMIT, "too many readers wait for this replica"));
            }
            waiting.add(waiter);
            updateLowest();
        }
        if (applied >= index) {
            remove(waiter);
            waiter.done.complete(null);
            return waiter.done;
        }
        ScheduledFuture<?> expiry =
                timer.schedule(
                        () -> expire(waiter, timeout), timeout.toNanos(), TimeUnit.NANOSECONDS);
        waiter.done.whenComplete((nothing, failure) -> expiry.cancel(false));
        return waiter.done;
    }

    void failAll(CisternException failure) {
        List<Waiter> all;
        synchronized (waiting) {
            all = List.copyOf(waiting);
            waiting.clear();
            updateLowest();
        }
        all.forEach(waiter -> waiter.done.completeExceptionally(failure));
    }

    private void expire(Waiter waiter, Duration timeout) {
        if (remove(waiter)) {
            waiter.done.completeExceptionally(
                    new CisternException(
                            ErrorCode.STALE,
                            "index "
                                    + waiter.index
                                    + " was not applied within "
                                    + timeout.toMillis()
                                    + " ms, this replica is at "
                                    + applied
                                    + "; ask another"));
        }
    }

    private boolean remove(Waiter waiter) {
        synchronized (waiting) {
            // By identity: two waiters of one index are not the same.
            boolean removed = waiting.removeIf(other -> other == waiter);
            updateLowest();
            return removed;
        }
    }

    private void updateLowest() {
        Waiter first = waiting.peek();
        lowestWaiting = first == null ? Long.MAX_VALUE : first.index;
    }
}
