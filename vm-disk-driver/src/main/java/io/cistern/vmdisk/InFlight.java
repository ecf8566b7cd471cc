package io.cistern.vmdisk;

/// What one connection has under way: requests and the bytes of their buffers, from the moment a
/// request is read to the moment its reply has left.
///
/// The reader of the connection waits here when a limit is reached, so a client that sends without
/// end or does not read its replies only stops itself.
final class InFlight {
    /// Limits nothing and counts nothing; for buffers that no connection pays for.
    static final InFlight NONE = new InFlight(Integer.MAX_VALUE, Long.MAX_VALUE);

    private final int maxRequests;
    private final long maxBytes;
    private int requests;
    private long bytes;
    private boolean waiting;

    InFlight(int maxRequests, long maxBytes) {
        this.maxRequests = maxRequests;
        this.maxBytes = maxBytes;
    }

    /// Takes a place for a buffer of `amount` bytes if there is one. A single buffer larger than
    /// the limit is let in when nothing else is under way.
    synchronized boolean tryAcquire(long amount) {
        if (requests > 0 && (requests >= maxRequests || bytes + amount > maxBytes)) {
            return false;
        }
        requests++;
        bytes += amount;
        return true;
    }

    /// As [#tryAcquire], but waits for a place.
    synchronized void acquire(long amount) throws InterruptedException {
        while (!tryAcquire(amount)) {
            waiting = true;
            wait();
        }
    }

    void release(long amount) {
        if (this == NONE) {
            return;
        }
        synchronized (this) {
            requests--;
            bytes -= amount;
            if (waiting) {
                waiting = false;
                notifyAll();
            }
        }
    }

    /// Waits until nothing is under way.
    synchronized void awaitIdle() throws InterruptedException {
        while (requests > 0) {
            waiting = true;
            wait();
        }
    }

    /// As [#awaitIdle], for at most `millis`.
    ///
    /// @return true where nothing is under way
    synchronized boolean awaitIdle(long millis) throws InterruptedException {
        long end = System.nanoTime() + millis * 1_000_000;
        while (requests > 0) {
            long left = (end - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                return false;
            }
            waiting = true;
            wait(left);
        }
        return true;
    }

    synchronized int requests() {
        return requests;
    }
}
