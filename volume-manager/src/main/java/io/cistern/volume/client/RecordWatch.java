package io.cistern.volume.client;

import io.cistern.block.GuardedDevice.SharedRecord;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The newest shared record that a device has seen, told to its listeners in order: versions may be
/// skipped, never repeated or reversed. Any thread; a listener is called by one thread at a time.
final class RecordWatch {
    private static final Logger log = LoggerFactory.getLogger(RecordWatch.class);

    private final CopyOnWriteArrayList<Consumer<SharedRecord>> listeners =
            new CopyOnWriteArrayList<>();
    private final AtomicInteger turns = new AtomicInteger();
    private volatile SharedRecord known = SharedRecord.EMPTY;

    /// By whoever has the turn.
    private volatile long told;

    SharedRecord known() {
        return known;
    }

    void learned(SharedRecord record) {
        synchronized (this) {
            if (record.version() <= known.version()) {
                return;
            }
            known = record;
        }
        if (turns.getAndIncrement() != 0) {
            return;
        }
        int seen = 1;
        do {
            SharedRecord newest = known;
            if (newest.version() > told) {
                told = newest.version();
                tell(newest);
            }
            seen = turns.addAndGet(-seen);
        } while (seen != 0);
    }

    private void tell(SharedRecord record) {
        for (Consumer<SharedRecord> listener : listeners) {
            try {
                listener.accept(record);
            } catch (RuntimeException e) {
                log.error("a listener failed on shared record {}", record.version(), e);
            }
        }
    }

    AutoCloseable listen(Consumer<SharedRecord> listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }
}
