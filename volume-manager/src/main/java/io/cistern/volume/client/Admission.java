package io.cistern.volume.client;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.Limits;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Lets a device's requests through in the order of their submission: at most so many and so many
/// bytes at a time, and no faster than the volume's limits.
final class Admission {
    /// Requests under way at a time.
    static final int MAX_IN_FLIGHT = 256;

    /// Bytes of reads and writes under way at a time, one request of any size excepted. 32 MiB.
    static final long MAX_IN_FLIGHT_BYTES = 32L << 20;

    /// Requests waiting; beyond it LIMIT.
    static final int MAX_QUEUED = 65_536;

    private final LongSupplier nanoTime;
    private final ScheduledExecutorService timer;
    private final long requestTimeoutNanos;

    // Guarded by this.
    private final ArrayDeque<Request> queue = new ArrayDeque<>();
    private final @Nullable Request[] admitted = new Request[MAX_IN_FLIGHT];
    private final int[] freeSlots = new int[MAX_IN_FLIGHT];
    private int freeCount = MAX_IN_FLIGHT;
    private long bytes;
    private long order;
    private final SequenceWindow window = new SequenceWindow(4 * MAX_IN_FLIGHT);
    private volatile @Nullable TokenBucket bucket;
    private boolean waitingForBucket;

    private final AtomicInteger turns = new AtomicInteger();

    Admission(LongSupplier nanoTime, ScheduledExecutorService timer, long requestTimeoutNanos) {
        this.nanoTime = nanoTime;
        this.timer = timer;
        this.requestTimeoutNanos = requestTimeoutNanos;
        for (int i = 0; i < MAX_IN_FLIGHT; i++) {
            freeSlots[i] = i;
        }
    }

    /// Starts the request now where nothing stands in its way, else when its turn comes.
    void submit(Request request) {
        boolean now;
        boolean full;
        synchronized (this) {
            now = queue.isEmpty() && admit(request);
            full = !now && queue.size() >= MAX_QUEUED;
            if (!now && !full) {
                queue.add(request);
            }
        }
        if (now) {
            request.start(nanoTime.getAsLong() + requestTimeoutNanos);
        } else if (full) {
            request.refuse(
                    new CisternException(
                            ErrorCode.LIMIT,
                            MAX_QUEUED + " requests wait already; send fewer at a time"));
        }
    }

    /// Takes a place for the request if there is one. Holding this.
    private boolean admit(Request request) {
        boolean fits =
                freeCount > 0
                        && (freeCount == MAX_IN_FLIGHT
                                || bytes + request.carriedBytes() <= MAX_IN_FLIGHT_BYTES)
                        && !(request.changes() && window.full());
        if (!fits || waitingForBucket) {
            return false;
        }
        if (bucket != null) {
            long wait = bucket.take(nanoTime.getAsLong(), request.carriedBytes());
            if (wait > 0) {
                waitForBucket(wait);
                return false;
            }
        }
        request.slot = freeSlots[--freeCount];
        admitted[request.slot] = request;
        bytes += request.carriedBytes();
        request.order = ++order;
        if (request.changes()) {
            request.seq = window.take();
        }
        return true;
    }

    private void waitForBucket(long nanos) {
        waitingForBucket = true;
        try {
            timer.schedule(this::bucketReady, nanos, TimeUnit.NANOSECONDS);
        } catch (RejectedExecutionException closed) {
            waitingForBucket = false;
        }
    }

    private void bucketReady() {
        synchronized (this) {
            waitingForBucket = false;
        }
        drain();
    }

    /// Gives the request's place back and lets others through.
    void finished(Request request) {
        boolean waiting;
        synchronized (this) {
            if (request.slot < 0) {
                return;
            }
            admitted[request.slot] = null;
            freeSlots[freeCount++] = request.slot;
            request.slot = -1;
            bytes -= request.carriedBytes();
            if (request.seq > 0) {
                window.answered(request.seq);
            }
            waiting = !queue.isEmpty();
        }
        if (waiting) {
            drain();
        }
    }

    /// One thread at a time starts what may start; nested calls only ask for another turn.
    private void drain() {
        if (turns.getAndIncrement() != 0) {
            return;
        }
        int seen = 1;
        do {
            for (Request next = nextAdmitted(); next != null; next = nextAdmitted()) {
                next.start(nanoTime.getAsLong() + requestTimeoutNanos);
            }
            seen = turns.addAndGet(-seen);
        } while (seen != 0);
    }

    private synchronized @Nullable Request nextAdmitted() {
        Request head = queue.peek();
        if (head == null || !admit(head)) {
            return null;
        }
        return queue.poll();
    }

    /// Sets new limits, for what waits as well.
    void limits(Limits limits) {
        synchronized (this) {
            bucket =
                    limits.equals(Limits.NONE)
                            ? null
                            : new TokenBucket(limits, nanoTime.getAsLong());
            waitingForBucket = false;
        }
        drain();
    }

    /// Counts a request that was answered without being submitted, where there are limits.
    ///
    /// @return false if it has to be submitted
    boolean passes(long carried) {
        if (bucket == null) {
            return true;
        }
        synchronized (this) {
            return queue.isEmpty()
                    && !waitingForBucket
                    && (bucket == null || bucket.take(nanoTime.getAsLong(), carried) == 0);
        }
    }

    synchronized long doneBelow() {
        return window.doneBelow();
    }

    synchronized int inFlight() {
        return MAX_IN_FLIGHT - freeCount + queue.size();
    }

    /// Requests admitted now.
    synchronized List<Request> snapshot() {
        List<Request> now = new ArrayList<>(MAX_IN_FLIGHT - freeCount);
        for (Request request : admitted) {
            if (request != null) {
                now.add(request);
            }
        }
        return now;
    }

    /// Takes out everything that was not admitted yet.
    synchronized List<Request> removeQueued() {
        List<Request> removed = new ArrayList<>(queue);
        queue.clear();
        return removed;
    }
}
