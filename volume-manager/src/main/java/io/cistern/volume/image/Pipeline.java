package io.cistern.volume.image;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;

/// Writes to a device with several requests in flight, leaving out what is zero: the device is new
/// and reads as zeroes where nothing was written. For one thread.
final class Pipeline implements AutoCloseable {
    static final int DEPTH = 16;
    static final int BUFFER_BYTES = 1 << 20;

    /// What is left out where it is all zeroes.
    private static final int ZERO_UNIT = 64 << 10;

    private record Pending(ByteBuffer buffer, CompletableFuture<?> written) {}

    private final ArrayDeque<Pending> pending = new ArrayDeque<>();
    private final ArrayDeque<ByteBuffer> free = new ArrayDeque<>();

    /// An empty buffer; waits for one where all are in use.
    ByteBuffer buffer() {
        ByteBuffer buffer = free.poll();
        if (buffer == null && pending.size() < DEPTH) {
            buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
        }
        return buffer == null ? oldest() : buffer.clear();
    }

    private ByteBuffer oldest() {
        Pending first = pending.remove();
        get(first.written);
        return first.buffer.clear();
    }

    /// Writes `data`, one of [#buffer].
    void write(BlockDevice device, long offset, ByteBuffer data) {
        CompletableFuture<?>[] parts = new CompletableFuture<?>[data.limit() / ZERO_UNIT + 1];
        int count = 0;
        int from = -1;
        for (int at = 0; at <= data.limit(); at += ZERO_UNIT) {
            int length = Math.min(ZERO_UNIT, data.limit() - at);
            boolean skip = length <= 0 || isZero(data, at, length);
            if (skip && from >= 0) {
                parts[count++] = device.write(offset + from, data.slice(from, at - from));
                from = -1;
            } else if (!skip && from < 0) {
                from = at;
            }
        }
        if (from >= 0) {
            parts[count++] = device.write(offset + from, data.slice(from, data.limit() - from));
        }
        CompletableFuture<?>[] sent = java.util.Arrays.copyOf(parts, count);
        pending.add(new Pending(data, CompletableFuture.allOf(sent)));
    }

    /// True where all bytes are 0.
    static boolean isZero(ByteBuffer data, int offset, int length) {
        int at = offset;
        int end = offset + length;
        for (; at + 8 <= end; at += 8) {
            if (data.getLong(at) != 0) {
                return false;
            }
        }
        for (; at < end; at++) {
            if (data.get(at) != 0) {
                return false;
            }
        }
        return true;
    }

    /// Waits until everything is written.
    void drain() {
        while (!pending.isEmpty()) {
            free.add(oldest());
        }
    }

    /// Waits, so that no buffer is in use any more; failures are those that [#drain] would have
    /// thrown, and are of no more interest.
    @Override
    public void close() {
        for (Pending p = pending.poll(); p != null; p = pending.poll()) {
            settle(p.written);
        }
    }

    static void settle(CompletableFuture<?> future) {
        future.handle((value, failure) -> null).join();
    }

    /// The future's value.
    ///
    /// @throws CisternException its failure; UNAVAILABLE where the thread is interrupted
    static <T extends @Nullable Object> T get(CompletableFuture<T> future) {
        try {
            return future.get();
        } catch (ExecutionException e) {
            throw CisternException.of(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted", e);
        }
    }
}
