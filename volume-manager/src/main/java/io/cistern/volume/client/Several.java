package io.cistern.volume.client;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;

/// The same thing done for several names, some at a time.
public final class Several {
    private Several() {}

    /// Does it for each, on virtual threads; for one alone on the caller's. One that fails does not
    /// keep the others from being done.
    ///
    /// @param atATime how many are done at the same time, 1 or more
    /// @return the results, in the order of the names
    /// @throws CisternException the first failure, by that order, once all have ended, with how
    ///   many were done; UNAVAILABLE where the thread is interrupted (which stays set)
    public static <T> List<T> each(List<String> names, int atATime, Function<String, T> what) {
        if (names.size() == 1) {
            return List.of(what.apply(names.getFirst()));
        }
        List<Future<T>> futures = new ArrayList<>();
        try (ExecutorService pool =
                Executors.newFixedThreadPool(
                        Math.min(atATime, Math.max(1, names.size())),
                        Thread.ofVirtual().factory())) {
            names.forEach(name -> futures.add(pool.submit(() -> what.apply(name))));
        }
        List<T> results = new ArrayList<>();
        CisternException first = null;
        for (Future<T> future : futures) {
            try {
                results.add(future.get());
            } catch (ExecutionException e) {
                first = first == null ? CisternException.of(e) : first;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted while waiting", e);
            }
        }
        if (first != null) {
            throw new CisternException(
                    first.code(),
                    first.getMessage()
                            + " ("
                            + results.size()
                            + " of "
                            + names.size()
                            + " were done)",
                    first);
        }
        return results;
    }
}
