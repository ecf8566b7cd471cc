package io.cistern.nas.share;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/// Waits for the file system. For the virtual threads that carry out requests.
public final class Futures {
    private Futures() {}

    /// The result, or the exception that the future failed with, unwrapped where it is unchecked.
    public static <T> T await(CompletableFuture<T> future) {
        try {
            return future.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException known) {
                throw known;
            }
            throw new IllegalStateException("unexpected failure", e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new NfsException(NfsStatus.DELAY, "the server is stopping");
        }
    }
}
