package io.cistern.volume.image;

import io.cistern.volume.Progress;

/// Reports a few times a second, with the time left estimated from the speed so far. Not
/// thread-safe.
final class ProgressMeter {
    private static final long INTERVAL_NANOS = 250_000_000;

    private final Progress heard;
    private final long total;
    private final long started = System.nanoTime();
    private long last = started - INTERVAL_NANOS;

    ProgressMeter(Progress heard, long total) {
        this.heard = heard;
        this.total = total;
    }

    void at(long done) {
        long now = System.nanoTime();
        if (now - last < INTERVAL_NANOS && done < total) {
            return;
        }
        last = now;
        long spentMillis = (now - started) / 1_000_000;
        long eta =
                done <= 0 ? -1 : (long) ((double) spentMillis * Math.max(0, total - done) / done);
        heard.report(done, total, eta);
    }
}
