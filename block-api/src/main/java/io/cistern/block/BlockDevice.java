package io.cistern.block;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongConsumer;

/// A virtual disk as a front end sees it.
///
/// Ranges may have any alignment; each 512-byte sector changes atomically. Every completed write is
/// durable on a majority, so [#flush] only waits for nothing. Methods never block the caller for
/// I/O; futures may be completed on a thread of the device, so continuations must be short and
/// never block. Failures are [CisternException]: OUT_OF_RANGE, READ_ONLY, NO_SPACE, FENCED,
/// UNAVAILABLE (after the device's own retries are used up), CORRUPT.
///
/// Any thread may call any method. Two overlapping requests in flight at once are in no particular
/// order.
public interface BlockDevice extends AutoCloseable {
    /// Size of a block: the unit of checksums, of allocation bits and of the log. 4096 bytes.
    int BLOCK_BYTES = 4096;

    /// Largest length of one read or write. 32 MiB.
    int MAX_IO_BYTES = 32 << 20;

    /// Current size in bytes, a multiple of 512. Grows while open.
    long sizeBytes();

    boolean readOnly();

    /// Reads `dst.remaining()` bytes at `offset` if that needs no waiting (no network, no disk).
    ///
    /// @return false, with `dst` unchanged, where [#read] must be used
    boolean tryRead(long offset, ByteBuffer dst);

    /// Fills `dst` from `offset`. `dst` belongs to the device until the future completes.
    CompletableFuture<Void> read(long offset, ByteBuffer dst);

    /// Writes `src.remaining()` bytes. `src` belongs to the device until the future completes; its
    /// position is not changed. Complete means durable on a majority.
    CompletableFuture<Void> write(long offset, ByteBuffer src);

    /// Makes the range read as zeroes. Never transfers zeroes; any length up to the device's size.
    ///
    /// @param unmap true frees the space; false keeps whatever is allocated for later writes
    CompletableFuture<Void> zero(long offset, long length, boolean unmap);

    /// Frees the range. It reads as zeroes afterwards.
    CompletableFuture<Void> discard(long offset, long length);

    /// Completes when every write completed before the call is durable.
    CompletableFuture<Void> flush();

    /// What is known of `[offset, offset + length)`: adjoining extents from `offset` on, at least
    /// one, at most `maxExtents`; they may end before the range does. Lengths are positive.
    CompletableFuture<List<Extent>> extents(long offset, long length, int maxExtents);

    /// Calls `listener` with the new size after each resize, until the returned handle is closed.
    AutoCloseable onResize(LongConsumer listener);

    /// Ends use of the device. In-flight requests fail with UNAVAILABLE or complete; nothing
    /// durable is lost.
    @Override
    void close();

    /// A stretch of the device. HOLE: not allocated, reads as zeroes. ZERO: allocated, reads as
    /// zeroes.
    record Extent(long length, Kind kind) {
        public enum Kind {
            DATA,
            ZERO,
            HOLE
        }
    }
}
