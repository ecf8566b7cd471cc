package io.cistern.volume.client;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Waiting for futures on threads that may block.
public final class Waits {
    private static final Logger log = LoggerFactory.getLogger(Waits.class);

    private Waits() {}

    /// The future's value.
    ///
    /// @throws CisternException the future's failure; UNAVAILABLE after `timeout` or where the
    ///   thread is interrupted (which stays set)
    public static <T> T get(CompletableFuture<T> future, Duration timeout) {
        try {
            return future.get(timeout.toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            throw CisternException.of(e);
        } catch (TimeoutException e) {
            throw new CisternException(
                    ErrorCode.UNAVAILABLE, "no answer within " + timeout.toMillis() + " ms", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted while waiting", e);
        }
    }

    /// Waits for the end, whatever it is: for what is only worth an attempt.
    public static void quietly(CompletableFuture<?> future, Duration timeout) {
        try {
            get(future, timeout);
        } catch (CisternException e) {
            log.debug("given up: {}", e.getMessage());
        }
    }
}
