package io.cistern.storage.group;

import java.util.concurrent.TimeUnit;

/// How long the sender of a copy waits before each page, so that users of the same replica do not
/// feel the copy: their latency at the 99th percentile is to stay within twice what it is without
/// one.
///
/// While no copy runs, the distribution of latency over the last [#REMEMBERED] intervals or so is
/// kept. While one runs, each interval of [#INTERVAL_NANOS] with enough requests is compared with
/// it: where more than one request in a hundred took longer than twice the quiet 99th percentile,
/// the rest before each page doubles, else it becomes a quarter shorter. Where users ask for
/// nothing there is no rest.
///
/// Where users wait although the copy rests as long as it may, it is not the copy that they wait
/// for: they ask for more than before it, or the disk has become slower. Then their latency as it
/// is now is what the copy is measured by from then on. Else a rebuild would creep for as long as
/// its users are busy.
///
/// Not thread-safe: the caller holds a lock.
final class CopyPace {
    static final long INTERVAL_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

    /// Fewer requests say little about a percentile; they are added to the next interval, for as
    /// long as [#LONGEST_NANOS].
    static final long ENOUGH_REQUESTS = 100;

    /// Then a copy goes by what there is: else it would keep its rest for as long as users ask for
    /// little.
    static final long LONGEST_NANOS = 4 * INTERVAL_NANOS;

    /// A copy goes on, however busy the users are: no page waits longer.
    static final long MOST_REST_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

    static final long LEAST_REST_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

    /// An interval counts for less with each that follows, and this many times in all.
    static final int REMEMBERED = 10;

    /// So many intervals users wait while the copy does next to nothing before that is taken for
    /// what they have without it.
    static final int PATIENCE = 12;

    /// Before anything was measured without a copy: what a quiet SSD keeps easily.
    private static final double DEFAULT_QUIET_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    /// No machine's clock and scheduler keep less apart.
    private static final double LEAST_QUIET_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private static final int CLASSES = VolumeIo.BOUNDS_NANOS.length + 1;

    private final Histogram quiet = new Histogram();

    /// What users had while the rest was the longest; started anew when it is not.
    private Histogram resting = new Histogram();

    private int restingIntervals;
    private long[] before = new long[CLASSES];
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
        if (began && nowNanos - beganNanos < INTERVAL_NANOS) {
            return;
        }
        Histogram seen = Histogram.between(before, classes);
        boolean few = seen.requests < ENOUGH_REQUESTS;
        if (began && seen.requests > 0 && few && nowNanos - beganNanos < LONGEST_NANOS) {
            return;
        }
        if (began && seen.requests > 0) {
            if (copying) {
                compare(seen);
            } else {
                restNanos = 0;
                if (!few) {
                    quiet.add(seen, 1 - 1.0 / REMEMBERED);
                }
            }
        } else {
            restNanos = 0;
        }
        began = true;
        before = classes.clone();
        beganNanos = nowNanos;
    }

    private void compare(Histogram seen) {
        boolean slow = seen.above(2 * quietNanos()) * 100 > seen.requests;
        if (!slow || restNanos < MOST_REST_NANOS) {
            resting = new Histogram();
            restingIntervals = 0;
        }
        if (!slow) {
            restNanos = restNanos * 3 / 4 < LEAST_REST_NANOS ? 0 : restNanos * 3 / 4;
        } else if (restNanos < MOST_REST_NANOS) {
            restNanos = Math.min(MOST_REST_NANOS, Math.max(LEAST_REST_NANOS, restNanos * 2));
        } else {
            resting.add(seen, 1);
            restingIntervals++;
            if (restingIntervals >= PATIENCE) {
                quiet.add(resting, 0);
                resting = new Histogram();
                restingIntervals = 0;
            }
        }
    }

    private double quietNanos() {
        return quiet.requests < ENOUGH_REQUESTS
                ? DEFAULT_QUIET_NANOS
                : Math.max(LEAST_QUIET_NANOS, quiet.percentile99());
    }

    /// Requests by class of latency. Within a class the logarithms of the latencies are taken to be
    /// spread evenly.
    private static final class Histogram {
        private final double[] counts = new double[CLASSES];
        private double requests;

        static Histogram between(long[] before, long[] after) {
            Histogram delta = new Histogram();
            for (int i = 0; i < CLASSES; i++) {
                // Fewer than before: a volume has gone, with its requests.
                delta.counts[i] = Math.max(0, after[i] - before[i]);
                delta.requests += delta.counts[i];
            }
            return delta;
        }

        /// @param kept the part of what is here that stays
        void add(Histogram more, double kept) {
            requests = 0;
            for (int i = 0; i < CLASSES; i++) {
                counts[i] = counts[i] * kept + more.counts[i];
                requests += counts[i];
            }
        }

        private static double low(int at) {
            return at == 0 ? VolumeIo.BOUNDS_NANOS[0] / 10.0 : VolumeIo.BOUNDS_NANOS[at - 1];
        }

        private static double high(int at) {
            return at < VolumeIo.BOUNDS_NANOS.length ? VolumeIo.BOUNDS_NANOS[at] : 10 * low(at);
        }

        double percentile99() {
            double above = 0;
            double hundredth = requests / 100;
            for (int i = CLASSES - 1; i >= 0; i--) {
                if (above + counts[i] > hundredth) {
                    double part = (hundredth - above) / counts[i];
                    return high(i) * Math.pow(low(i) / high(i), part);
                }
                above += counts[i];
            }
            return low(0);
        }

        /// How many took longer.
        double above(double nanos) {
            double above = 0;
            for (int i = 0; i < CLASSES; i++) {
                if (nanos <= low(i)) {
                    above += counts[i];
                } else if (nanos < high(i)) {
                    above += counts[i] * Math.log(high(i) / nanos) / Math.log(high(i) / low(i));
                }
            }
            return above;
        }
    }
}
