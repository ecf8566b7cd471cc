package io.cistern.storage;

import io.cistern.raft.Halt;
import io.cistern.raft.LogPosition;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;

/// Makes what was applied durable without the log, in this order: the data; then rows, tables and
/// position as one batch; the flush of that batch; the mark; and only then the position is reported
/// and freed slots may be used again. A crash anywhere before the flush leaves the checkpoint
/// before.
final class Checkpointer {
    private final BlockMap map;
    private final Table table;
    private final Mark mark;
    private final ReentrantLock lock;
    private final Executor executor;
    private final Halt halt;
    private final Probe probe;

    private volatile LogPosition durable;
    private volatile @Nullable CompletableFuture<LogPosition> running;

    // Written by the executor's one thread at a time.
    private volatile long completed;
    private volatile long lastMillis;

    /// @param lock the store's
    Checkpointer(
            BlockMap map, Table table, Mark mark, ReentrantLock lock, Disk disk, LogPosition at) {
        this.map = map;
        this.table = table;
        this.mark = mark;
        this.lock = lock;
        this.executor = disk.checkpoints();
        this.halt = disk.halt();
        this.probe = disk.probe();
        this.durable = at;
    }

    LogPosition durable() {
        return durable;
    }

    /// Checkpoints since the store was opened.
    long completed() {
        return completed;
    }

    /// What the last one took; 0 before the first.
    long lastMillis() {
        return lastMillis;
    }

    /// The checkpoint under way, null if none is.
    @Nullable CompletableFuture<LogPosition> running() {
        return running;
    }

    /// Starts a checkpoint of what the store holds now. The store's lock is held, no entry is half
    /// applied, none is running.
    CompletableFuture<LogPosition> begin(Header header) {
        CompletableFuture<LogPosition> result = new CompletableFuture<>();
        BlockMap.Frozen frozen = map.freeze();
        Map<ByteBuffer, byte @Nullable []> rows = table.takeDirty();
        running = result;
        executor.execute(() -> run(header, frozen, rows, result));
        return result;
    }

    private void run(
            Header header,
            BlockMap.Frozen frozen,
            Map<ByteBuffer, byte @Nullable []> rows,
            CompletableFuture<LogPosition> result) {
        long beganNanos = System.nanoTime();
        try {
            probe.at(Probe.Step.CHECKPOINT_FROZEN);
            map.area().sync();
            probe.at(Probe.Step.DATA_SYNCED);
            write(header, frozen, rows);
            probe.at(Probe.Step.BATCH_WRITTEN);
            map.db().flush();
            probe.at(Probe.Step.MAP_FLUSHED);
            mark.write(header.position());
            probe.at(Probe.Step.MARK_WRITTEN);
        } catch (IOException | RocksDBException | RuntimeException e) {
            halt.halt("checkpoint of group " + map.group() + " on " + map.area() + " failed", e);
            result.completeExceptionally(e);
            return;
        }
        lock.lock();
        try {
            map.thawed(frozen);
            durable = header.position();
            lastMillis = (System.nanoTime() - beganNanos) / 1_000_000;
            counted();
            running = null;
        } finally {
            lock.unlock();
        }
        result.complete(header.position());
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // one writer at a time
    private void counted() {
        completed++;
    }

    private void write(
            Header header, BlockMap.Frozen frozen, Map<ByteBuffer, byte @Nullable []> rows)
            throws RocksDBException {
        long group = map.group();
        try (WriteBatch batch = new WriteBatch()) {
            for (Map.Entry<RowKey, Row> e : frozen.rows().rows.entrySet()) {
                byte[] key = Keys.row(group, e.getKey());
                if (e.getValue() == Row.DELETED) {
                    batch.delete(key);
                } else {
                    batch.put(key, e.getValue().encode());
                }
            }
            for (Map.Entry<ByteBuffer, byte @Nullable []> e : rows.entrySet()) {
                byte[] value = e.getValue();
                if (value == null) {
                    batch.delete(e.getKey().array());
                } else {
                    batch.put(e.getKey().array(), value);
                }
            }
            batch.put(Keys.of(group, Keys.HEADER), header.encode());
            map.db().write(batch);
        }
    }
}
