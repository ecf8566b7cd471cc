package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.time.InstantSource;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/// What the replicas of one node share: threads, the way to other nodes, settings.
///
/// - readers: reads that must wait for the disk
/// - workers: bulk work in small steps: copies, scans, pieces of large writes
/// - menders: reading for peers whose blocks are damaged. On threads of their own, since readers
///   and workers may be waiting for just that on another node
/// - timer: time-outs and the regular; its tasks never block
final class NodeParts implements AutoCloseable {
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
    private final NodePeers peers;
    private final GroupTuning tuning;
    private final InstantSource clock;
    private volatile long copyBytesPerSecond;

    NodeParts(String node, NodePeers peers, GroupTuning tuning, InstantSource clock) {
        this.readers = pool("read-" + node, READERS);
        this.workers = pool("work-" + node, WORKERS);
        this.menders = pool("mend-" + node, MENDERS);
        this.timer =
                new ScheduledThreadPoolExecutor(
                        1, Thread.ofPlatform().name("group-timer-" + node).daemon().factory());
        timer.setRemoveOnCancelPolicy(true);
        this.peers = peers;
        this.tuning = tuning;
        this.clock = clock;
        this.copyBytesPerSecond = tuning.catchUpBytesPerSecond();
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

    ThreadPoolExecutor readers() {
        return readers;
    }

    ThreadPoolExecutor workers() {
        return workers;
    }

    ThreadPoolExecutor menders() {
        return menders;
    }

    ScheduledExecutorService timer() {
        return timer;
    }

    NodePeers peers() {
        return peers;
    }

    GroupTuning tuning() {
        return tuning;
    }

    /// Most bytes a second that each copy to this node may receive; 0 for no bound.
    long copyBytesPerSecond() {
        return copyBytesPerSecond;
    }

    void limitCopies(long bytesPerSecond) {
        copyBytesPerSecond = bytesPerSecond;
    }

    InstantSource clock() {
        return clock;
    }

    /// Runs a task on `executor`; a full queue or a node that shuts down is UNAVAILABLE.
    static <T> CompletableFuture<T> supply(Executor executor, Supplier<T> task) {
        CompletableFuture<T> done = new CompletableFuture<>();
        try {
            executor.execute(() -> {
                try {
                    done.complete(task.get());
                } catch (Throwable e) {
                    done.completeExceptionally(e);
                }
            });
        } catch (RejectedExecutionException full) {
            done.completeExceptionally(
                    new CisternException(
                            ErrorCode.UNAVAILABLE,
                            "this node has too much to do or is stopping; ask again"));
        }
        return done;
    }

    @Override
    public void close() {
        timer.shutdownNow();
        readers.shutdown();
        workers.shutdown();
        menders.shutdown();
    }
}
