package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.storage.CorruptBlocksException;
import io.cistern.storage.RowKey;
import io.cistern.storage.ScrubResult;
import io.cistern.storage.VolumeState;
import java.util.ArrayDeque;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Reads everything a replica holds, verifies it, and mends what is damaged from the peers: in the
/// background now and then, and when asked.
///
/// A step reads [#STEP_BYTES] on a worker thread. Between two steps of a background scrub there is
/// a pause that keeps the speed to the setting, and that is ten times as long while users read or
/// write; a scrub that was asked for rests as long as it worked.
public final class Scrubber {
    private static final Logger log = LoggerFactory.getLogger(Scrubber.class);

    private static final long STEP_BYTES = 1L << 20;
    private static final int BUSY_FACTOR = 10;

    /// What a scrub found.
    ///
    /// @param bytes data read and verified
    /// @param damagedBlocks found
    /// @param mendedBlocks of them
    public record Report(long bytes, long damagedBlocks, long mendedBlocks) {}

    private final ReplicaParts parts;
    private final BlockRepair repair;
    private final LongSupplier userRequests;

    // Guarded by this.
    private @Nullable Pass pass;
    private long lastEndedNanos;
    private boolean stopped;
    private long passes;

    private final LongAdder bytesRead = new LongAdder();

    /// One scrub under way. Its fields are used by one step at a time.
    private static final class Pass {
        final boolean asked;
        final ArrayDeque<Long> branches = new ArrayDeque<>();
        final boolean everything;
        final long totalBytes;
        final long startedMillis;
        final CompletableFuture<Report> done = new CompletableFuture<>();
        volatile long bytes;
        @Nullable RowKey cursor;
        long damaged;
        long mended;
        long userRequestsSeen;

        Pass(boolean asked, boolean everything, long totalBytes, long startedMillis) {
            this.asked = asked;
            this.everything = everything;
            this.totalBytes = totalBytes;
            this.startedMillis = startedMillis;
        }
    }

    /// @param userRequests counts requests of users
    Scrubber(ReplicaParts parts, BlockRepair repair, LongSupplier userRequests) {
        this.parts = parts;
        this.repair = repair;
        this.userRequests = userRequests;
        this.lastEndedNanos = parts.node().threads().nanoTime();
    }

    /// Scrubs now; a scrub under way is given up for it.
    ///
    /// @param volume 0 for everything
    CompletableFuture<Report> scrub(long volume) {
        Pass next;
        synchronized (this) {
            next = begin(true, volume);
        }
        schedule(next, 0);
        return next.done;
    }

    /// Begins a background scrub if it is time.
    void tick() {
        Pass next;
        synchronized (this) {
            long interval = parts.node().tuning().scrubInterval().toNanos();
            if (stopped
                    || pass != null
                    || interval == 0
                    || parts.node().threads().nanoTime() - lastEndedNanos < interval) {
                return;
            }
            next = begin(false, 0);
        }
        schedule(next, 0);
    }

    synchronized void stop() {
        stopped = true;
        if (pass != null) {
            pass.done.cancel(false);
            pass = null;
        }
    }

    /// The scrub under way, or null.
    synchronized ReplicaStatus.@Nullable Progress progress() {
        Pass now = pass;
        return now == null
                ? null
                : ReplicaStatus.Progress.of(
                        now.bytes,
                        now.totalBytes,
                        now.startedMillis,
                        parts.node().clock().millis());
    }

    synchronized ReplicaActivity.Scrub activity() {
        Pass now = pass;
        return new ReplicaActivity.Scrub(
                passes,
                bytesRead.sum(),
                now == null ? 0 : now.bytes,
                now == null ? 0 : now.totalBytes);
    }

    private Pass begin(boolean asked, long volume) {
        if (pass != null) {
            pass.done.cancel(false);
        }
        long total = volume == 0 ? parts.store().usage().usedBytes() : 0;
        Pass next = new Pass(asked, volume == 0, total, parts.node().clock().millis());
        if (volume != 0) {
            next.branches.addAll(branches(parts.volume(volume)));
            next.cursor = start(next.branches.getFirst());
        }
        pass = next;
        return next;
    }

    private static Set<Long> branches(VolumeState volume) {
        Set<Long> branches = new LinkedHashSet<>();
        branches.add(volume.branch());
        volume.snapshots().forEach(snapshot -> branches.add(snapshot.branch()));
        return branches;
    }

    private static RowKey start(long branch) {
        return new RowKey(branch, 0, Integer.MAX_VALUE);
    }

    private void schedule(Pass mine, long delayNanos) {
        try {
            parts.node()
                    .timer()
                    .schedule(
                            () -> NodeParts.supply(parts.node().workers(), () -> step(mine)),
                            delayNanos,
                            TimeUnit.NANOSECONDS);
        } catch (RejectedExecutionException stopping) {
            mine.done.completeExceptionally(stopping);
        }
    }

    private boolean step(Pass mine) {
        synchronized (this) {
            if (pass != mine) {
                return false;
            }
        }
        long beganNanos = parts.node().threads().nanoTime();
        try {
            boolean more = read(mine);
            if (more) {
                schedule(mine, pause(mine, parts.node().threads().nanoTime() - beganNanos));
            } else {
                end(mine);
            }
            return more;
        } catch (RuntimeException e) {
            synchronized (this) {
                if (pass == mine) {
                    pass = null;
                    lastEndedNanos = parts.node().threads().nanoTime();
                }
            }
            mine.done.completeExceptionally(e);
            return false;
        }
    }

    /// True if there is more to read.
    private boolean read(Pass mine) {
        ScrubResult result = parts.store().scrub(mine.cursor, STEP_BYTES);
        mine.bytes += result.bytes();
        bytesRead.add(result.bytes());
        for (CorruptBlocksException.Corrupt corrupt : result.corrupt()) {
            int blocks = Integer.bitCount(corrupt.blocks());
            mine.damaged += blocks;
            try {
                repair.repair(new CorruptBlocksException(java.util.List.of(corrupt)));
                mine.mended += blocks;
            } catch (CisternException beyondRepair) {
                log.error("scrub of group {}: {}", parts.raft().id(), beyondRepair.getMessage());
            }
        }
        mine.cursor = result.next();
        if (mine.everything) {
            return mine.cursor != null;
        }
        RowKey cursor = mine.cursor;
        if (cursor == null || cursor.branch() != mine.branches.getFirst()) {
            mine.branches.removeFirst();
            if (mine.branches.isEmpty()) {
                return false;
            }
            mine.cursor = start(mine.branches.getFirst());
        }
        return true;
    }

    private long pause(Pass mine, long workedNanos) {
        if (mine.asked) {
            return workedNanos;
        }
        long requests = userRequests.getAsLong();
        boolean busy = requests != mine.userRequestsSeen;
        mine.userRequestsSeen = requests;
        long speed = Math.max(1, parts.node().tuning().scrubBytesPerSecond());
        long pause = STEP_BYTES * TimeUnit.SECONDS.toNanos(1) / speed;
        return busy ? pause * BUSY_FACTOR : pause;
    }

    private void end(Pass mine) {
        synchronized (this) {
            passes++;
            if (pass == mine) {
                pass = null;
                lastEndedNanos = parts.node().threads().nanoTime();
            }
        }
        Report report = new Report(mine.bytes, mine.damaged, mine.mended);
        if (report.damagedBlocks > 0) {
            log.warn("scrub of group {} found damage: {}", parts.raft().id(), report);
        }
        mine.done.complete(report);
    }
}
