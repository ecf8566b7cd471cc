package io.cistern.storage.group;

import io.cistern.storage.group.VolumeGroup.Receipt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/// Sends the parts of one request, a few at a time, and ends when all have ended; after a failure
/// no further part is sent.
final class PartsInFlight {
    private final int parts;
    private final int window;
    private final IntFunction<CompletableFuture<Receipt>> send;
    private final CompletableFuture<Receipt> done = new CompletableFuture<>();
    private final AtomicInteger pumping = new AtomicInteger();

    // Guarded by this.
    private int next;
    private int inFlight;
    private @Nullable Throwable failure;
    private Receipt newest = new Receipt(-1, 0, 0);

    PartsInFlight(int parts, int window, IntFunction<CompletableFuture<Receipt>> send) {
        this.parts = parts;
        this.window = window;
        this.send = send;
    }

    CompletableFuture<Receipt> begin() {
        pump();
        return done;
    }

    /// Calls from several threads and from within it fold into one.
    private void pump() {
        if (pumping.getAndIncrement() > 0) {
            return;
        }
        int calls = 1;
        while (calls > 0) {
            for (int part = take(); part >= 0; part = take()) {
                send.apply(part).whenComplete(this::ended);
            }
            calls = pumping.addAndGet(-calls);
        }
    }

    private synchronized int take() {
        if (failure != null || next >= parts || inFlight >= window) {
            return -1;
        }
        inFlight++;
        return next++;
    }

    private void ended(@Nullable Receipt receipt, @Nullable Throwable failed) {
        Throwable reason;
        Receipt result;
        synchronized (this) {
            inFlight--;
            if (receipt != null && receipt.index() > newest.index()) {
                newest = receipt;
            }
            if (failure == null) {
                failure = failed;
            }
            boolean over = inFlight == 0 && (failure != null || next >= parts);
            if (!over) {
                reason = null;
                result = null;
            } else {
                reason = failure;
                result = newest;
            }
        }
        if (reason != null) {
            done.completeExceptionally(reason);
        } else if (result != null) {
            done.complete(result);
        } else {
            pump();
        }
    }
}
