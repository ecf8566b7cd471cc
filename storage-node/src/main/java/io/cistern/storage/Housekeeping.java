package io.cistern.storage;

import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/// A disk's own background work, on one thread: extents before they are needed, garbage in small
/// steps with pauses between, and checkpoints that are due while no entry comes along.
final class Housekeeping implements AutoCloseable {
    /// One step of collection, so long at most is an entry held up by it.
    private static final long STEP_NANOS = 1_000_000;

    private static final long BUSY_PAUSE_MILLIS = 5;
    private static final long IDLE_PAUSE_MILLIS = 200;

    private final Disk disk;
    private final SlotArea area;
    private final ScheduledExecutorService thread;

    Housekeeping(Disk disk, SlotArea area, String name) {
        this.disk = disk;
        this.area = area;
        thread =
                Executors.newSingleThreadScheduledExecutor(
                        Thread.ofPlatform().daemon().name(name + "-housekeeping").factory());
        thread.execute(this::round);
    }

    private void round() {
        boolean busy = false;
        try {
            if (area.wantsToGrow()) {
                busy = area.grow();
            }
            for (GroupStore store : disk.contents().stores()) {
                busy |= store.collect(STEP_NANOS);
                store.checkpointIfDue();
            }
        } catch (Throwable e) {
            disk.halt().halt("housekeeping of disk " + area + " failed", e);
            return;
        }
        if (!thread.isShutdown()) {
            thread.schedule(
                    this::round,
                    busy ? BUSY_PAUSE_MILLIS : IDLE_PAUSE_MILLIS,
                    TimeUnit.MILLISECONDS);
        }
    }

    @Override
    public void close() {
        thread.shutdownNow();
        boolean interrupted = false;
        while (true) {
            try {
                if (thread.awaitTermination(1, TimeUnit.MINUTES)) {
                    break;
                }
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
