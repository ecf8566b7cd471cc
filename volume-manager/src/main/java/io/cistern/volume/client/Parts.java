package io.cistern.volume.client;

import io.cistern.block.CisternException;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/// Cuts large requests into parts that travel by themselves.
final class Parts {
    private Parts() {}

    /// A range and where to cut it: at multiples of `partBytes`.
    record Cut(long offset, long length, long partBytes) {}

    interface Maker {
        /// @param from where the part begins in the request's buffer
        Request make(long at, long from, long length, CompletableFuture<Void> result);
    }

    /// Submits the parts; completes when all have, with the failure of one if any failed.
    static CompletableFuture<Void> submit(Admission admission, Cut cut, Maker maker) {
        long first = Math.min(cut.length, cut.partBytes - cut.offset % cut.partBytes);
        if (first == cut.length) {
            if (cut.length == 0) {
                return CompletableFuture.completedFuture(null);
            }
            CompletableFuture<Void> whole = new CompletableFuture<>();
            admission.submit(maker.make(cut.offset, 0, cut.length, whole));
            return whole;
        }
        int count = 1 + (int) ((cut.length - first + cut.partBytes - 1) / cut.partBytes);
        CompletableFuture<?>[] results = new CompletableFuture<?>[count];
        long from = 0;
        for (int i = 0; i < count; i++) {
            long size = i == 0 ? first : Math.min(cut.partBytes, cut.length - from);
            CompletableFuture<Void> result = new CompletableFuture<>();
            results[i] = result;
            admission.submit(maker.make(cut.offset + from, from, size, result));
            from += size;
        }
        return CompletableFuture.allOf(results)
                .exceptionallyCompose(
                        failure -> CompletableFuture.failedFuture(CisternException.of(failure)));
    }

    /// Submits a request that is not to be cut.
    static CompletableFuture<Void> submitWhole(
            Admission admission, long offset, long length, Maker maker) {
        if (length == 0) {
            return CompletableFuture.completedFuture(null);
        }
        CompletableFuture<Void> whole = new CompletableFuture<>();
        admission.submit(maker.make(offset, 0, length, whole));
        return whole;
    }

    /// `length` bytes of `whole`, `from` bytes after its position; neither's position matters to
    /// the other.
    static ByteBuffer slice(ByteBuffer whole, long from, long length) {
        return from == 0 && length == whole.remaining()
                ? whole.duplicate()
                : whole.slice(whole.position() + (int) from, (int) length);
    }
}
