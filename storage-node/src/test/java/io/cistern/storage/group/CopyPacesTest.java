package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.storage.group.VolumeIo.Operation;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// Whom a copy makes way for.
class CopyPacesTest {
    private long nanos = 1;
    private final IoMeter io = new IoMeter(() -> nanos);
    private final CopyPaces paces = new CopyPaces(io);

    private void requests(Operation operation, int requests, long millis) {
        for (int i = 0; i < requests; i++) {
            io.done(1, operation, 4096, nanos - TimeUnit.MILLISECONDS.toNanos(millis));
        }
    }

    /// An interval with so many milliseconds for each read and write.
    private long interval(long readMillis, long writeMillis, boolean copying) {
        requests(Operation.READ, 700, readMillis);
        requests(Operation.WRITE, 300, writeMillis);
        nanos += CopyPace.INTERVAL_NANOS;
        return paces.observe(nanos, copying);
    }

    @Test
    void readsThatBecomeSlowAreSeenAmongWritesThatAlwaysWere() {
        paces.observe(nanos, false);
        interval(1, 40, false);
        assertThat(interval(1, 40, true)).isZero();
        assertThat(interval(20, 40, true)).isPositive();
    }

    @Test
    void writesThatBecomeSlowAreSeenAmongManyReads() {
        paces.observe(nanos, false);
        interval(1, 2, false);
        assertThat(interval(1, 2, true)).isZero();
        assertThat(interval(1, 40, true)).isPositive();
    }
}
