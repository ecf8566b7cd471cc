package io.cistern.block;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// A sparse [BlockDevice] in memory: the device that front ends are tested and measured with, and
/// the model that other devices are compared with. Nothing of it survives the process.
///
/// With a [Gate] any request can be delayed, failed or put out of order.
public final class MemoryBlockDevice implements BlockDevice {
    private static final int CHUNK_BYTES = 256 << 10;
    private static final int BLOCKS_PER_CHUNK = CHUNK_BYTES / BLOCK_BYTES;

    /// What a request does.
    public enum Operation {
        READ,
        WRITE,
        ZERO,
        DISCARD,
        FLUSH,
        EXTENTS
    }

    /// Decides when, and whether, a request is carried out.
    @FunctionalInterface
    public interface Gate {
        /// The request is carried out when the future completes, by the thread that completes it,
        /// and fails with the future's failure.
        CompletableFuture<Void> pass(Operation operation, long offset, long length);
    }

    private final List<LongConsumer> listeners = new CopyOnWriteArrayList<>();
    private final boolean readOnly;
    private volatile @Nullable Chunk[] chunks;
    private volatile long sizeBytes;
    private volatile @Nullable Gate gate;
    private volatile boolean closed;

    /// An empty device.
    ///
    /// @param sizeBytes a multiple of 512, at most 512 TiB
    public MemoryBlockDevice(long sizeBytes) {
        this(sizeBytes, false);
    }

    /// @param sizeBytes a multiple of 512, at most 512 TiB
    public MemoryBlockDevice(long sizeBytes, boolean readOnly) {
        this.chunks = new Chunk[chunkCount(sizeBytes)];
        this.sizeBytes = sizeBytes;
        this.readOnly = readOnly;
    }

    /// Sets what requests pass from now on; null lets all through at once, in the caller's thread.
    public void gate(@Nullable Gate newGate) {
        gate = newGate;
    }

    /// Grows the device and tells its listeners.
    ///
    /// @param newSizeBytes not below the present size
    public void resize(long newSizeBytes) {
        synchronized (this) {
            if (newSizeBytes < sizeBytes) {
                throw new CisternException(ErrorCode.INVALID, "a device does not shrink");
            }
            @Nullable Chunk[] old = chunks;
            @Nullable Chunk[] grown = new Chunk[chunkCount(newSizeBytes)];
            System.arraycopy(old, 0, grown, 0, old.length);
            chunks = grown;
            sizeBytes = newSizeBytes;
        }
        listeners.forEach(listener -> listener.accept(newSizeBytes));
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public boolean readOnly() {
        return readOnly;
    }

    @Override
    public boolean tryRead(long offset, ByteBuffer dst) {
        if (gate != null) {
            return false;
        }
        check(offset, dst.remaining());
        copyOut(offset, dst.duplicate());
        return true;
    }

    @Override
    public CompletableFuture<Void> read(long offset, ByteBuffer dst) {
        ByteBuffer target = dst.duplicate();
        return run(Operation.READ, offset, dst.remaining(), () -> copyOut(offset, target));
    }

    @Override
    public CompletableFuture<Void> write(long offset, ByteBuffer src) {
        ByteBuffer source = src.duplicate();
        return run(Operation.WRITE, offset, src.remaining(), () -> copyIn(offset, source));
    }

    @Override
    public CompletableFuture<Void> zero(long offset, long length, boolean unmap) {
        return run(Operation.ZERO, offset, length, () -> clear(offset, length, unmap));
    }

    @Override
    public CompletableFuture<Void> discard(long offset, long length) {
        return run(Operation.DISCARD, offset, length, () -> clear(offset, length, true));
    }

    @Override
    public CompletableFuture<Void> flush() {
        return run(Operation.FLUSH, 0, 0, () -> {});
    }

    @Override
    public CompletableFuture<List<Extent>> extents(long offset, long length, int maxExtents) {
        List<Extent> found = new ArrayList<>();
        return run(Operation.EXTENTS, offset, length, () -> scan(offset, length, maxExtents, found))
                .thenApply(done -> found);
    }

    @Override
    public AutoCloseable onResize(LongConsumer listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }

    @Override
    public void close() {
        closed = true;
    }

    private CompletableFuture<Void> run(
            Operation operation, long offset, long length, Runnable action) {
        try {
            check(offset, length);
            if (readOnly && operation.compareTo(Operation.WRITE) >= 0 && writes(operation)) {
                throw new CisternException(ErrorCode.READ_ONLY, "the memory device is read-only");
            }
            Gate current = gate;
            if (current != null) {
                return current.pass(operation, offset, length).thenRun(action);
            }
            action.run();
            return CompletableFuture.completedFuture(null);
        } catch (CisternException e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    private static boolean writes(Operation operation) {
        return switch (operation) {
            case WRITE, ZERO, DISCARD -> true;
            case READ, FLUSH, EXTENTS -> false;
        };
    }

    private void check(long offset, long length) {
        if (closed) {
            throw new CisternException(ErrorCode.UNAVAILABLE, "the memory device is closed");
        }
        if (offset < 0 || length < 0 || offset > sizeBytes - length) {
            throw new CisternException(
                    ErrorCode.OUT_OF_RANGE,
                    length + " bytes at " + offset + " end beyond " + sizeBytes);
        }
    }

    private void copyOut(long offset, ByteBuffer dst) {
        long at = offset;
        while (dst.hasRemaining()) {
            int within = (int) (at % CHUNK_BYTES);
            int n = Math.min(dst.remaining(), CHUNK_BYTES - within);
            Chunk chunk = chunks[(int) (at / CHUNK_BYTES)];
            if (chunk == null) {
                zeroFill(dst, n);
            } else {
                synchronized (chunk) {
                    dst.put(dst.position(), chunk.bytes, within, n);
                }
                dst.position(dst.position() + n);
            }
            at += n;
        }
    }

    private static void zeroFill(ByteBuffer dst, int length) {
        for (int i = 0; i < length; i++) {
            dst.put((byte) 0);
        }
    }

    private void copyIn(long offset, ByteBuffer src) {
        long at = offset;
        while (src.hasRemaining()) {
            int within = (int) (at % CHUNK_BYTES);
            int n = Math.min(src.remaining(), CHUNK_BYTES - within);
            Chunk chunk = chunkFor((int) (at / CHUNK_BYTES));
            synchronized (chunk) {
                chunk.bytes.put(within, src, src.position(), n);
                chunk.mark(within, n, (byte) 1);
            }
            src.position(src.position() + n);
            at += n;
        }
    }

    private Chunk chunkFor(int index) {
        Chunk chunk = chunks[index];
        if (chunk != null) {
            return chunk;
        }
        synchronized (this) {
            chunk = chunks[index];
            if (chunk == null) {
                chunk = new Chunk();
                chunks[index] = chunk;
            }
            return chunk;
        }
    }

    private void clear(long offset, long length, boolean unmap) {
        long at = offset;
        long end = offset + length;
        while (at < end) {
            int within = (int) (at % CHUNK_BYTES);
            int n = (int) Math.min(end - at, CHUNK_BYTES - within);
            Chunk chunk = chunks[(int) (at / CHUNK_BYTES)];
            if (chunk != null) {
                synchronized (chunk) {
                    zeroFill(chunk.bytes.slice(within, n), n);
                    chunk.clearBlocks(within, n, unmap);
                }
            }
            at += n;
        }
    }

    private void scan(long offset, long length, int maxExtents, List<Extent> found) {
        long at = offset;
        long end = offset + length;
        Extent.Kind kind = null;
        long start = offset;
        while (at < end) {
            Chunk chunk = chunks[(int) (at / CHUNK_BYTES)];
            long step = chunk == null ? CHUNK_BYTES : BLOCK_BYTES;
            Extent.Kind here = chunk == null ? Extent.Kind.HOLE : chunk.kindAt(at);
            if (kind != null && here != kind) {
                found.add(new Extent(at - start, kind));
                start = at;
                if (found.size() == maxExtents) {
                    return;
                }
            }
            kind = here;
            at = Math.min(end, (at / step + 1) * step);
        }
        if (kind != null) {
            found.add(new Extent(end - start, kind));
        }
    }

    private static int chunkCount(long sizeBytes) {
        if (sizeBytes < 0 || sizeBytes % 512 != 0) {
            throw new CisternException(ErrorCode.INVALID, sizeBytes + " is no multiple of 512");
        }
        return Math.toIntExact((sizeBytes + CHUNK_BYTES - 1) / CHUNK_BYTES);
    }

    /// 256 KiB with a state per block: 0 hole, 1 data, 2 allocated zero.
    private static final class Chunk {
        final ByteBuffer bytes = ByteBuffer.allocate(CHUNK_BYTES);
        private final byte[] states = new byte[BLOCKS_PER_CHUNK];

        void mark(int within, int length, byte state) {
            for (int b = within / BLOCK_BYTES; b <= (within + length - 1) / BLOCK_BYTES; b++) {
                states[b] = state;
            }
        }

        /// Blocks that lie wholly in the range lose their data.
        void clearBlocks(int within, int length, boolean unmap) {
            int first = (within + BLOCK_BYTES - 1) / BLOCK_BYTES;
            int end = (within + length) / BLOCK_BYTES;
            for (int b = first; b < end; b++) {
                states[b] = (byte) (unmap ? 0 : states[b] == 0 ? 0 : 2);
            }
        }

        synchronized Extent.Kind kindAt(long at) {
            return switch (states[(int) (at % CHUNK_BYTES) / BLOCK_BYTES]) {
                case 0 -> Extent.Kind.HOLE;
                case 1 -> Extent.Kind.DATA;
                default -> Extent.Kind.ZERO;
            };
        }
    }
}
