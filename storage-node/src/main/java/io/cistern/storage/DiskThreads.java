package io.cistern.storage;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/// What a disk runs beside its callers, and its clock. A simulation has its own.
interface DiskThreads extends AutoCloseable {
    /// Runs checkpoints, one at a time.
    Executor checkpoints();

    /// The future's value; fails as [CompletableFuture#join].
    <T> T await(CompletableFuture<T> future);

    /// As [System#nanoTime].
    long nanoTime();

    /// Waits for what runs.
    @Override
    void close();

    /// Real ones.
    static DiskThreads named(String name) {
        ExecutorService checkpoints =
                Executors.newSingleThreadExecutor(
                        Thread.ofPlatform().daemon().name(name + "-checkpoint").factory());
        return new DiskThreads() {
            @Override
            public Executor checkpoints() {
                return checkpoints;
            }

            @Override
            public <T> T await(CompletableFuture<T> future) {
                return future.join();
            }

            @Override
            public long nanoTime() {
                return System.nanoTime();
            }

            @Override
            public void close() {
                checkpoints.close();
            }
        };
    }
}
