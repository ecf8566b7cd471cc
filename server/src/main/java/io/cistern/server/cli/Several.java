package io.cistern.server.cli;

import io.cistern.block.CisternException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;

/// The same thing done for several names, some at a time.
final class Several {
    private static final int AT_A_TIME = 8;

    private Several() {}

    /// Does it for each; one that fails does not keep the others from being done.
    ///
    /// @return the results, in the order of the names
    /// @throws CisternException the first failure, by that order, once all have ended
    static <T> List<T> each(List<String> names, Function<String, T> what)
            throws InterruptedException {
        List<Future<T>> futures = new ArrayList<>();
        try (ExecutorService pool =
                Executors.newFixedThreadPool(
                        Math.min(AT_A_TIME, names.size()), Thread.ofVirtual().factory())) {
            names.forEach(name -> futures.add(pool.submit(() -> what.apply(name))));
        }
        List<T> results = new ArrayList<>();
        for (Future<T> future : futures) {
            try {
                results.add(future.get());
            } catch (ExecutionException e) {
                throw CisternException.of(e.getCause() == null ? e : e.getCause());
            }
        }
        return results;
    }
}
