package io.cistern.storage.group;

import java.time.InstantSource;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ScheduledExecutorService;

/// Threads and time of one node's replicas: everything of theirs that runs beside the caller, waits
/// or looks at a clock does it by one of these. [PooledThreads] has real ones; a simulation decides
/// itself what runs when.
interface NodeThreads extends AutoCloseable {
    /// Reads that must wait for the disk.
    Executor readers();

    /// Bulk work in small steps: copies, scans, pieces of large writes.
    Executor workers();

    /// Reading for peers whose blocks are damaged. On threads of their own, since readers and
    /// workers may be waiting for just that on another node.
    Executor menders();

    /// Time-outs and the regular; its tasks never block.
    ScheduledExecutorService timer();

    /// Runs `task` on a thread of its own. It may block, and ends when the node does.
    void start(String name, Runnable task);

    /// The future's value. Not for event loops.
    ///
    /// @throws io.cistern.block.CisternException what it failed with; UNAVAILABLE if this thread is
    ///   interrupted
    <T> T await(CompletableFuture<T> future);

    /// False if this thread was interrupted meanwhile (which stays set): the node stops.
    boolean sleep(long nanos);

    /// As [System#nanoTime].
    long nanoTime();

    InstantSource clock();

    /// A number that was never used before.
    long freshId();

    @Override
    void close();
}
