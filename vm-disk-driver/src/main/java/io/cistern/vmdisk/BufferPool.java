package io.cistern.vmdisk;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.util.ArrayDeque;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// Direct buffers in classes of powers of two, shared by all connections of a process.
///
/// Handed-out and kept buffers together never exceed the limit, so clients cannot make the process
/// run out of memory; whoever asks beyond it is refused, never kept waiting for another client.
public final class BufferPool {
    /// Data bytes of the smallest class: room for a reply with an error message.
    static final int SMALLEST_BYTES = 512;

    private static final int SMALLEST_SHIFT = 9;
    private static final int CLASSES = 32 - SMALLEST_SHIFT;

    private final long maxBytes;
    private final long maxKeptBytes;
    private final AtomicLong allocated = new AtomicLong();
    private final AtomicLong kept = new AtomicLong();
    private final FreeList[] free = new FreeList[CLASSES];

    /// @param maxBytes limit of all buffers together
    public BufferPool(long maxBytes) {
        this.maxBytes = maxBytes;
        this.maxKeptBytes = maxBytes / 2;
        for (int i = 0; i < CLASSES; i++) {
            free[i] = new FreeList();
        }
    }

    /// A buffer for at least `dataBytes` bytes of data after the headroom. Its content is
    /// arbitrary.
    ///
    /// @throws CisternException LIMIT where the pool's memory is used up
    PooledBuffer take(int dataBytes) {
        int sizeClass = classOf(dataBytes);
        PooledBuffer reused = free[sizeClass].poll();
        if (reused != null) {
            kept.addAndGet(-reused.capacity());
            return reused;
        }
        int data = SMALLEST_BYTES << sizeClass;
        int total = data + PooledBuffer.HEADROOM;
        if (allocated.addAndGet(total) > maxBytes) {
            trim();
            if (allocated.get() > maxBytes) {
                allocated.addAndGet(-total);
                throw exhausted();
            }
        }
        try {
            return new PooledBuffer(this, sizeClass, data);
        } catch (OutOfMemoryError e) {
            allocated.addAndGet(-total);
            throw exhausted();
        }
    }

    void giveBack(PooledBuffer buffer) {
        if (kept.addAndGet(buffer.capacity()) <= maxKeptBytes) {
            free[buffer.sizeClass()].push(buffer);
        } else {
            kept.addAndGet(-buffer.capacity());
            allocated.addAndGet(-buffer.capacity());
        }
    }

    /// Bytes in buffers that somebody holds.
    long bytesInUse() {
        return allocated.get() - kept.get();
    }

    private void trim() {
        for (FreeList list : free) {
            for (PooledBuffer b = list.poll(); b != null; b = list.poll()) {
                kept.addAndGet(-b.capacity());
                allocated.addAndGet(-b.capacity());
            }
        }
    }

    private CisternException exhausted() {
        return new CisternException(
                ErrorCode.LIMIT,
                "the driver's "
                        + (maxBytes >> 20)
                        + " MiB of buffers are all in use: reduce the number of clients or raise"
                        + " the limit");
    }

    private static int classOf(int dataBytes) {
        if (dataBytes <= SMALLEST_BYTES) {
            return 0;
        }
        return 32 - Integer.numberOfLeadingZeros(dataBytes - 1) - SMALLEST_SHIFT;
    }

    /// A stack: the buffer used last is the one whose memory is in the processor's cache.
    private static final class FreeList {
        private final ArrayDeque<PooledBuffer> buffers = new ArrayDeque<>();

        synchronized @Nullable PooledBuffer poll() {
            return buffers.pollFirst();
        }

        synchronized void push(PooledBuffer buffer) {
            buffers.addFirst(buffer);
        }
    }
}
