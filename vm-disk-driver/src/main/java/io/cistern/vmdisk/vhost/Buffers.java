package io.cistern.vmdisk.vhost;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/// Direct buffers in classes of powers of two for requests on their way, shared by all queues of a
/// process. Whoever asks beyond the limit gets none and asks again later: requests in rings wait
/// there without cost. Any thread may call any method.
public final class Buffers {
    private static final int SMALLEST_SHIFT = 12;
    private static final int CLASSES = 32 - SMALLEST_SHIFT;

    private final long maxBytes;

    // Guarded by this.
    private long allocated;
    private final ArrayDeque<ByteBuffer>[] free;

    /// @param maxBytes limit of all buffers together, at least 32 MiB: the largest request
    @SuppressWarnings({"unchecked", "rawtypes"})
    public Buffers(long maxBytes) {
        this.maxBytes = maxBytes;
        this.free = new ArrayDeque[CLASSES];
        for (int i = 0; i < CLASSES; i++) {
            free[i] = new ArrayDeque<>();
        }
    }

    /// A buffer of at least `bytes`; null where the limit is reached.
    @Nullable ByteBuffer take(int bytes) {
        int sizeClass = classOf(bytes);
        int size = 1 << SMALLEST_SHIFT + sizeClass;
        synchronized (this) {
            ByteBuffer reused = free[sizeClass].pollFirst();
            if (reused != null) {
                return reused;
            }
            if (allocated + size > maxBytes) {
                drop();
                if (allocated + size > maxBytes) {
                    return null;
                }
            }
            allocated += size;
        }
        try {
            return ByteBuffer.allocateDirect(size);
        } catch (OutOfMemoryError e) {
            synchronized (this) {
                allocated -= size;
            }
            return null;
        }
    }

    void giveBack(ByteBuffer buffer) {
        int sizeClass = classOf(buffer.capacity());
        synchronized (this) {
            free[sizeClass].addFirst(buffer);
        }
    }

    /// Gives up what nobody uses; the collector frees it.
    private void drop() {
        for (ArrayDeque<ByteBuffer> list : free) {
            for (ByteBuffer b = list.pollFirst(); b != null; b = list.pollFirst()) {
                allocated -= b.capacity();
            }
        }
    }

    private static int classOf(int bytes) {
        return bytes <= 1 << SMALLEST_SHIFT
                ? 0
                : 32 - Integer.numberOfLeadingZeros(bytes - 1) - SMALLEST_SHIFT;
    }
}
