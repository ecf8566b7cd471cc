package io.cistern.storage.group;

import java.util.concurrent.TimeUnit;

/// How long the sender of a copy waits before each page, so that users of the same replica do not
/// feel the copy: their latency at the 99th percentile is to stay near what it is without one.
///
/// While no copy runs, the distribution of latency is sampled; while one runs, each interval of
/// [#INTERVAL_NANOS] with enough requests is compared with it. Where the share of requests that
/// took longer than twice the quiet 99th percentile is above 1 %, the rest before each page
/// doubles, else it becomes a quarter shorter. Where users ask for nothing there is no rest.
///
/// Not thread-safe: the caller holds a lock.
final class CopyPace {
    static final long INTERVAL_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

    /// Fewer requests say nothing about a percentile; they are added to the next interval.
    static final long ENOUGH_REQUESTS = 100;

    /// A copy goes on, however busy the users are: no page waits longer.
    static final long MOST_REST_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

    static final long LEAST_REST_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

    /// Before anything was measured without a copy: what a quiet SSD keeps easily.
    private static final long DEFAULT_QUIET_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    /// No machine's clock and scheduler keep less apart.
    private static final long LEAST_QUIET_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private long quietNanos = DEFAULT_QUIET_NANOS;
    private long[] before = new long[VolumeIo.BOUNDS_NANOS.length + 1];
    private long beganNanos;
    private boolean began;
    private long restNanos;

    /// The rest before the next page.
    long restNanos() {
        return restNanos;
    }

    /// Tells the latencies so far; called regularly and before each page.
    ///
    /// @param classes requests since the replica was opened by [VolumeIo#BOUNDS_NANOS]
    /// @param copying whether a copy is being sent
    void observe(long[] classes, long nowNanos, boolean copying) {
        if (!began) {
            began = true;
            restart(classes, nowNanos);
            return;
        }
        if (nowNanos - beganNanos < INTERVAL_NANOS) {
            return;
        }
        long requests = 0;
        for (int i = 0; i < classes.length; i++) {
            requests += classes[i] - before[i];
        }
        if (requests == 0) {
            restNanos = 0;
            restart(classes, nowNanos);
            return;
        }
        if (requests < ENOUGH_REQUESTS) {
            return;
        }
        if (!copying) {
            restNanos = 0;
            quietNanos = Math.max(LEAST_QUIET_NANOS, percentile(classes, requests));
        } else if (slow(classes) * 100 > requests) {
            restNanos = Math.min(MOST_REST_NANOS, Math.max(LEAST_REST_NANOS, restNanos * 2));
        } else {
            restNanos = restNanos * 3 / 4 < LEAST_REST_NANOS ? 0 : restNanos * 3 / 4;
        }
        restart(classes, nowNanos);
    }

    private void restart(long[] classes, long nowNanos) {
        before = classes.clone();
        beganNanos = nowNanos;
    }

    /// The upper bound of the class that the 99th percentile is in.
    private long percentile(long[] classes, long requests) {
        long above = 0;
        for (int i = classes.length - 1; i > 0; i--) {
            above += classes[i] - before[i];
            if (above * 100 > requests) {
                return VolumeIo.BOUNDS_NANOS[Math.min(i, VolumeIo.BOUNDS_NANOS.length - 1)];
            }
        }
        return VolumeIo.BOUNDS_NANOS[0];
    }

    /// Requests that surely took longer than twice the quiet percentile.
    private long slow(long[] classes) {
        long slow = 0;
        for (int i = 1; i < classes.length; i++) {
            if (VolumeIo.BOUNDS_NANOS[i - 1] >= 2 * quietNanos) {
                slow += classes[i] - before[i];
            }
        }
        return slow;
    }
}
