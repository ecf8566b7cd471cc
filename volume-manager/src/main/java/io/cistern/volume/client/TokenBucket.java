package io.cistern.volume.client;

import io.cistern.storage.Command.Limits;

/// Limits on requests and bytes per second. Each request is let through whole as soon as the debt
/// of those before it is paid; unused time is saved for at most [#BURST_NANOS]. Not thread-safe.
final class TokenBucket {
    /// Saved up when idle: a tenth of a second's worth.
    static final long BURST_NANOS = 100_000_000;

    private final double nanosPerRequest;
    private final double nanosPerByte;

    /// When the debt is paid, in `nanoTime`; the earlier, the more is saved up.
    private double requestsPaidAt;

    private double bytesPaidAt;

    TokenBucket(Limits limits, long nowNanos) {
        this.nanosPerRequest = limits.iops() == 0 ? 0 : 1e9 / limits.iops();
        this.nanosPerByte = limits.bytesPerSecond() == 0 ? 0 : 1e9 / limits.bytesPerSecond();
        this.requestsPaidAt = nowNanos;
        this.bytesPaidAt = nowNanos;
    }

    /// Takes what a request costs.
    ///
    /// @return 0 if it was taken, else how long to wait before asking again, in nanoseconds, with
    ///   nothing taken
    long take(long nowNanos, long bytes) {
        double earliest = nowNanos - (double) BURST_NANOS;
        requestsPaidAt = Math.max(requestsPaidAt, earliest);
        bytesPaidAt = Math.max(bytesPaidAt, earliest);
        double wait = Math.max(requestsPaidAt, bytesPaidAt) - nowNanos;
        if (wait > 0) {
            return Math.max(1, (long) Math.ceil(wait));
        }
        requestsPaidAt += nanosPerRequest;
        bytesPaidAt += nanosPerByte * bytes;
        return 0;
    }
}
