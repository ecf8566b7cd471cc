package io.cistern.volume.client;

import io.cistern.volume.VolumeDevice.Stats;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;

/// What a device counts.
final class DeviceCounters {
    private final LongAdder reads = new LongAdder();
    private final LongAdder writes = new LongAdder();
    private final LongAdder readBytes = new LongAdder();
    private final LongAdder writtenBytes = new LongAdder();
    private final LongAdder retries = new LongAdder();
    private final AtomicLong longestNanos = new AtomicLong();

    void read(long bytes, long nanos) {
        reads.increment();
        readBytes.add(bytes);
        longest(nanos);
    }

    void wrote(long bytes, long nanos) {
        writes.increment();
        writtenBytes.add(bytes);
        longest(nanos);
    }

    void retried() {
        retries.increment();
    }

    private void longest(long nanos) {
        if (nanos > longestNanos.get()) {
            longestNanos.accumulateAndGet(nanos, Math::max);
        }
    }

    Stats stats(int inFlight) {
        return new Stats(
                reads.sum(),
                writes.sum(),
                readBytes.sum(),
                writtenBytes.sum(),
                retries.sum(),
                inFlight,
                longestNanos.get());
    }
}
