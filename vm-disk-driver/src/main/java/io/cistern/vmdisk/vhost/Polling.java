package io.cistern.vmdisk.vhost;

/// How long a queue looks at its ring before it sleeps: longer while that is rewarded, not at all
/// while the guest is idle. (As halt polling in KVM does it.)
final class Polling {
    /// Most time spent looking in vain, in nanoseconds.
    static final long MAX_NANOS = 50_000;

    private static final long FIRST_NANOS = 10_000;

    private final long maxNanos;
    private long windowNanos;

    /// @param maxNanos 0: never look
    Polling(long maxNanos) {
        this.maxNanos = maxNanos;
    }

    long windowNanos() {
        return windowNanos;
    }

    /// A sleep has ended after that long. Short ones would have been worth looking on.
    void slept(long nanos) {
        if (nanos <= maxNanos) {
            windowNanos = Math.min(maxNanos, Math.max(FIRST_NANOS, 2 * windowNanos));
        } else {
            windowNanos = windowNanos < FIRST_NANOS ? 0 : windowNanos / 2;
        }
    }
}
