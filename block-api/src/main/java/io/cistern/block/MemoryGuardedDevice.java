package io.cistern.block;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A [GuardedDevice] in memory. Several of them, one for each node, can share bytes and record
/// ([#portal]): the model that replicated devices are compared with, and what front ends are tested
/// over.
///
/// With a [MemoryBlockDevice.Gate] the requests of one portal can be delayed, failed or put out of
/// order; a request's guard is checked when the gate lets it pass. A portal that is [deaf][#deaf]
/// learns of others' records only when it asks.
public final class MemoryGuardedDevice implements GuardedDevice {
    /// What the portals share. Requests hold the lock shared; those that must be one step with
    /// respect to all others hold it alone.
    private static final class Volume {
        final MemoryBlockDevice bytes;
        final ReadWriteLock lock = new ReentrantReadWriteLock();
        final List<MemoryGuardedDevice> portals = new CopyOnWriteArrayList<>();
        volatile SharedRecord record = SharedRecord.EMPTY;

        Volume(MemoryBlockDevice bytes) {
            this.bytes = bytes;
        }
    }

    private final Volume volume;
    private final List<Consumer<SharedRecord>> listeners = new CopyOnWriteArrayList<>();
    private final Object learning = new Object();
    private volatile SharedRecord known = SharedRecord.EMPTY;
    private volatile MemoryBlockDevice.@Nullable Gate gate;
    private volatile boolean deaf;
    private volatile boolean closed;

    /// An empty device with an empty record.
    ///
    /// @param sizeBytes a multiple of 512, at most 512 TiB
    public MemoryGuardedDevice(long sizeBytes) {
        this(new Volume(new MemoryBlockDevice(sizeBytes)));
    }

    public MemoryGuardedDevice(long sizeBytes, boolean readOnly) {
        this(new Volume(new MemoryBlockDevice(sizeBytes, readOnly)));
    }

    private MemoryGuardedDevice(Volume volume) {
        this.volume = volume;
        this.known = volume.record;
        volume.portals.add(this);
    }

    /// Another device over the same bytes and record.
    public MemoryGuardedDevice portal() {
        return new MemoryGuardedDevice(volume);
    }

    /// Sets what this portal's requests pass from now on; null lets all through at once.
    public void gate(MemoryBlockDevice.@Nullable Gate newGate) {
        gate = newGate;
    }

    /// While deaf, this portal is not told of records that others replace.
    public void deaf(boolean isDeaf) {
        deaf = isDeaf;
        if (!isDeaf) {
            learn(volume.record);
        }
    }

    /// Grows the volume, for all portals.
    public void resize(long newSizeBytes) {
        volume.bytes.resize(newSizeBytes);
    }

    @Override
    public long sizeBytes() {
        return volume.bytes.sizeBytes();
    }

    @Override
    public boolean readOnly() {
        return volume.bytes.readOnly();
    }

    @Override
    public boolean tryRead(long offset, ByteBuffer dst) {
        if (closed || gate != null) {
            return false;
        }
        volume.lock.readLock().lock();
        try {
            return volume.bytes.tryRead(offset, dst);
        } finally {
            volume.lock.readLock().unlock();
        }
    }

    @Override
    public CompletableFuture<Void> read(long offset, ByteBuffer dst) {
        return read(offset, dst, NO_GUARD);
    }

    @Override
    public CompletableFuture<Void> write(long offset, ByteBuffer src) {
        return write(offset, src, NO_GUARD);
    }

    @Override
    public CompletableFuture<Void> zero(long offset, long length, boolean unmap) {
        return zero(offset, length, unmap, NO_GUARD);
    }

    @Override
    public CompletableFuture<Void> discard(long offset, long length) {
        return zero(offset, length, true, NO_GUARD);
    }

    @Override
    public CompletableFuture<Void> read(long offset, ByteBuffer dst, long guard) {
        ByteBuffer target = dst.duplicate();
        return shared(
                MemoryBlockDevice.Operation.READ,
                offset,
                dst.remaining(),
                guard,
                () -> volume.bytes.read(offset, target));
    }

    @Override
    public CompletableFuture<Void> write(long offset, ByteBuffer src, long guard) {
        ByteBuffer source = src.duplicate();
        return shared(
                MemoryBlockDevice.Operation.WRITE,
                offset,
                src.remaining(),
                guard,
                () -> volume.bytes.write(offset, source));
    }

    @Override
    public CompletableFuture<Void> writeAtomic(long offset, ByteBuffer src, long guard) {
        ByteBuffer source = src.duplicate();
        return alone(offset, src.remaining(), guard, () -> volume.bytes.write(offset, source));
    }

    @Override
    public CompletableFuture<Void> zero(long offset, long length, boolean unmap, long guard) {
        return shared(
                MemoryBlockDevice.Operation.ZERO,
                offset,
                length,
                guard,
                () -> volume.bytes.zero(offset, length, unmap));
    }

    @Override
    public CompletableFuture<Long> compareAndWrite(
            long offset, ByteBuffer expected, ByteBuffer data, long guard) {
        ByteBuffer wanted = expected.duplicate();
        ByteBuffer source = data.duplicate();
        if (wanted.remaining() != source.remaining()) {
            return CompletableFuture.failedFuture(
                    new CisternException(
                            ErrorCode.INVALID, "expected and new bytes differ in length"));
        }
        return alone(
                offset,
                data.remaining(),
                guard,
                () -> {
                    ByteBuffer present = ByteBuffer.allocate(wanted.remaining());
                    return volume.bytes
                            .read(offset, present)
                            .thenCompose(done -> {
                                present.clear();
                                long differs = present.mismatch(wanted);
                                return differs >= 0
                                        ? CompletableFuture.completedFuture(differs)
                                        : volume.bytes
                                                .write(offset, source)
                                                .thenApply(written -> -1L);
                            });
                });
    }

    @Override
    public CompletableFuture<Void> or(long offset, ByteBuffer data, long guard) {
        ByteBuffer source = data.duplicate();
        return alone(
                offset,
                data.remaining(),
                guard,
                () -> {
                    ByteBuffer present = ByteBuffer.allocate(source.remaining());
                    return volume.bytes
                            .read(offset, present)
                            .thenCompose(done -> {
                                for (int i = 0; i < present.capacity(); i++) {
                                    int both = present.get(i) | source.get(source.position() + i);
                                    present.put(i, (byte) both);
                                }
                                return volume.bytes.write(offset, present.clear());
                            });
                });
    }

    @Override
    public CompletableFuture<Void> flush() {
        return shared(
                MemoryBlockDevice.Operation.FLUSH, 0, 0, NO_GUARD, () -> volume.bytes.flush());
    }

    @Override
    public CompletableFuture<List<Extent>> extents(long offset, long length, int maxExtents) {
        return shared(
                MemoryBlockDevice.Operation.EXTENTS,
                offset,
                length,
                NO_GUARD,
                () -> volume.bytes.extents(offset, length, maxExtents));
    }

    @Override
    public AutoCloseable onResize(LongConsumer listener) {
        return volume.bytes.onResize(listener);
    }

    @Override
    public CompletableFuture<SharedRecord> record() {
        if (closed) {
            return CompletableFuture.failedFuture(closedError());
        }
        SharedRecord newest = volume.record;
        learn(newest);
        return CompletableFuture.completedFuture(newest);
    }

    @Override
    public SharedRecord knownRecord() {
        return known;
    }

    @Override
    public CompletableFuture<SharedRecord> replaceRecord(long expectedVersion, ByteBuffer bytes) {
        if (closed) {
            return CompletableFuture.failedFuture(closedError());
        }
        if (bytes.remaining() > MAX_RECORD_BYTES) {
            return CompletableFuture.failedFuture(
                    new CisternException(
                            ErrorCode.LIMIT,
                            "a record of "
                                    + bytes.remaining()
                                    + " bytes is over "
                                    + MAX_RECORD_BYTES));
        }
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        SharedRecord next;
        volume.lock.writeLock().lock();
        try {
            if (volume.record.version() != expectedVersion) {
                return CompletableFuture.failedFuture(
                        changed(expectedVersion, volume.record.version()));
            }
            next = new SharedRecord(expectedVersion + 1, ByteBuffer.wrap(copy).asReadOnlyBuffer());
            volume.record = next;
        } finally {
            volume.lock.writeLock().unlock();
        }
        learn(next);
        for (MemoryGuardedDevice portal : volume.portals) {
            if (portal != this && !portal.deaf) {
                portal.learn(next);
            }
        }
        return CompletableFuture.completedFuture(next);
    }

    @Override
    public AutoCloseable onRecord(Consumer<SharedRecord> listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }

    @Override
    public void close() {
        closed = true;
        volume.portals.remove(this);
    }

    private void learn(SharedRecord record) {
        synchronized (learning) {
            if (record.version() <= known.version()) {
                return;
            }
            known = record;
            for (Consumer<SharedRecord> listener : listeners) {
                listener.accept(record);
            }
        }
    }

    private <T> CompletableFuture<T> shared(
            MemoryBlockDevice.Operation operation,
            long offset,
            long length,
            long guard,
            Supplier<CompletableFuture<T>> action) {
        return gated(operation, offset, length, () -> guarded(false, guard, action));
    }

    private <T> CompletableFuture<T> alone(
            long offset, long length, long guard, Supplier<CompletableFuture<T>> action) {
        if (length > MAX_ATOMIC_BYTES) {
            return CompletableFuture.failedFuture(
                    new CisternException(
                            ErrorCode.LIMIT, length + " bytes are over " + MAX_ATOMIC_BYTES));
        }
        return gated(
                MemoryBlockDevice.Operation.WRITE,
                offset,
                length,
                () -> guarded(true, guard, action));
    }

    private <T> CompletableFuture<T> gated(
            MemoryBlockDevice.Operation operation,
            long offset,
            long length,
            Supplier<CompletableFuture<T>> action) {
        MemoryBlockDevice.Gate current = gate;
        if (current == null) {
            return action.get();
        }
        return current.pass(operation, offset, length).thenCompose(passed -> action.get());
    }

    /// The memory device completes its futures before it returns, so the lock covers the action.
    private <T> CompletableFuture<T> guarded(
            boolean alone, long guard, Supplier<CompletableFuture<T>> action) {
        if (closed) {
            return CompletableFuture.failedFuture(closedError());
        }
        var lock = alone ? volume.lock.writeLock() : volume.lock.readLock();
        lock.lock();
        try {
            if (guard != NO_GUARD && guard != volume.record.version()) {
                return CompletableFuture.failedFuture(changed(guard, volume.record.version()));
            }
            return action.get();
        } finally {
            lock.unlock();
        }
    }

    private static CisternException changed(long guard, long version) {
        return new CisternException(
                ErrorCode.CHANGED, "the record is at version " + version + ", not " + guard);
    }

    private static CisternException closedError() {
        return new CisternException(ErrorCode.UNAVAILABLE, "the memory device is closed");
    }
}
