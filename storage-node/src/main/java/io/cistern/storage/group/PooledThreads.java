package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.time.InstantSource;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/// The threads of a node, each kind of work with a bound of its own.
final class PooledThreads implements NodeThreads {
    /// Threads that read: enough to keep an SSD's queues busy without a thread per client.
    static final int READERS = 8;

    static final int WORKERS = 4;

    static final int MENDERS = 2;

    /// Most tasks that may wait for a thread.
    static final int MAX_QUEUED = 8192;

    private final ThreadPoolExecutor readers;
    private final ThreadPoolExecutor workers;
    private final ThreadPoolExecutor menders;
    private final ScheduledThreadPoolExecutor timer;

    PooledThreads(String node) {
        this.readers = pool("read-" + node, READERS);
        this.workers = pool("work-" + node, WORKERS);
        this.menders = pool("mend-" + node, MENDERS);
        this.timer =
                new ScheduledThreadPoolExecutor(
                        1, Thread.ofPlatform().name("group-timer-" + node).daemon().factory());
        timer.setRemoveOnCancelPolicy(true);
    }

    private static ThreadPoolExecutor pool(String name, int threads) {
        ThreadPoolExecutor pool =
                new ThreadPoolExecutor(
                        threads,
                        threads,
                        30,
                        TimeUnit.SECONDS,
                        new ArrayBlockingQueue<>(MAX_QUEUED),
                        Thread.ofPlatform().name(name + "-", 0).daemon().factory());
        pool.allowCoreThreadTimeOut(true);
        return pool;
    }

    @Override
    public Executor readers() {
        return readers;
    }

    @Override
    public Executor workers() {
        return workers;
    }

    @Override
    public Executor menders() {
        return menders;
    }

    @Override
    public ScheduledExecutorService timer() {
        return timer;
    }

    @Override
    public void start(String name, Runnable task) {
        Thread.ofPlatform().name(name).daemon().start(task);
    }

    @Override
    public <T> T await(CompletableFuture<T> future) {
        try {
            return future.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted: the node stops", e);
        } catch (ExecutionException e) {
            throw CisternException.of(e);
        }
    }

    @Override
    public boolean sleep(long nanos) {
        try {
            TimeUnit.NANOSECONDS.sleep(nanos);
            return true;
        } catch (InterruptedException stopping) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    @Override
    public long nanoTime() {
        return System.nanoTime();
    }

    @Override
    public InstantSource clock() {
        return InstantSource.system();
    }

    @Override
    public long freshId() {
        return ThreadLocalRandom.current().nextLong();
    }

    @Override
    public void close() {
        timer.shutdownNow();
        readers.shutdown();
        workers.shutdown();
        menders.shutdown();
    }
}
