package io.cistern.storage;

import io.cistern.raft.Halt;
import io.cistern.raft.LogPosition;
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
    private final FileRows files;
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
            BlockMap map,
            FileRows files,
            Table table,
            Mark mark,
            ReentrantLock lock,
            Disk disk,
            LogPosition at) {
        this.map = map;
        this.files = files;
        this.table = table;
        this.mark = mark;
        this.lock = lock;
        this.executor = disk.threads().checkpoints();
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
    ///
    /// @param written run when everything is in RocksDB and nothing newer is
    CompletableFuture<LogPosition> begin(Header header, Runnable written) {
        CompletableFuture<LogPosition> result = new CompletableFuture<>();
        BlockMap.Frozen frozen = map.freeze();
        Frozen all = new Frozen(frozen, files.freeze(), table.takeDirty());
        running = result;
        executor.execute(() -> run(header, all, written, result));
        return result;
    }

    /// What a checkpoint writes.
    private record Frozen(
            BlockMap.Frozen map, FileLayer files, Map<ByteBuffer, byte @Nullable []> table) {}

    private void run(
            Header header, Frozen frozen, Runnable written, CompletableFuture<LogPosition> result) {
        long beganNanos = System.nanoTime();
        try {
            probe.at(Probe.Step.CHECKPOINT_FROZEN);
            map.area().sync();
            probe.at(Probe.Step.DATA_SYNCED);
            write(header, frozen);
            written.run();
            probe.at(Probe.Step.BATCH_WRITTEN);
            map.db().flush();
            map.area().counters().mapSyncs.increment();
            probe.at(Probe.Step.MAP_FLUSHED);
            mark.write(header.position());
            map.area().counters().mapSyncs.increment();
            probe.at(Probe.Step.MARK_WRITTEN);
        } catch (Throwable e) {
            failed(e, result);
            return;
        }
        lock.lock();
        try {
            map.thawed(frozen.map);
            files.thawed();
            durable = header.position();
            lastMillis = (System.nanoTime() - beganNanos) / 1_000_000;
            counted();
            running = null;
        } catch (Throwable e) {
            failed(e, result);
            return;
        } finally {
            lock.unlock();
        }
        result.complete(header.position());
    }

    /// Errors of the JVM, too: entries would wait for the end of this checkpoint for ever.
    private void failed(Throwable e, CompletableFuture<LogPosition> result) {
        halt.halt("checkpoint of group " + map.group() + " on " + map.area() + " failed", e);
        result.completeExceptionally(e);
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // one writer at a time
    private void counted() {
        completed++;
    }

    private void write(Header header, Frozen frozen) throws RocksDBException {
        long group = map.group();
        try (WriteBatch batch = new WriteBatch()) {
            for (Map.Entry<RowKey, Row> e : frozen.map.rows().rows.entrySet()) {
                byte[] key = Keys.row(group, e.getKey());
                if (e.getValue() == Row.DELETED) {
                    batch.delete(key);
                } else {
                    batch.put(key, e.getValue().encode());
                }
            }
            FileRows.write(frozen.files, batch);
            for (Map.Entry<ByteBuffer, byte @Nullable []> e : frozen.table.entrySet()) {
                byte[] value = e.getValue();
                if (value == null) {
                    batch.delete(e.getKey().array());
                } else {
                    batch.put(e.getKey().array(), value);
                }
            }
            batch.put(Keys.of(group, Keys.HEADER), header.encode());
            map.area().counters().mapBytes.add(batch.getDataSize());
            map.db().write(batch);
        }
    }
}
