package io.cistern.raft.ratis;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Runs tasks one after the other, in order, on a pool, or on the caller's thread where the caller
/// allows it and nothing is before it.
final class Strand {
    private static final Logger LOG = LoggerFactory.getLogger(Strand.class);

    private final Executor pool;
    private final Queue<Runnable> queue = new ConcurrentLinkedQueue<>();

    /// Tasks queued or running. Who raises it from 0 runs them.
    private final AtomicInteger open = new AtomicInteger();

    Strand(Executor pool) {
        this.pool = pool;
    }

    void execute(Runnable task) {
        queue.add(task);
        if (open.getAndIncrement() == 0) {
            pool.execute(this::drain);
        }
    }

    /// As [#execute], on this thread if the strand is idle.
    void executeHere(Runnable task) {
        if (!open.compareAndSet(0, 1)) {
            execute(task);
            return;
        }
        run(task);
        if (open.decrementAndGet() > 0) {
            pool.execute(this::drain);
        }
    }

    private void drain() {
        do {
            Runnable task = queue.poll();
            if (task != null) {
                run(task);
            }
        } while (open.decrementAndGet() > 0);
    }

    private static void run(Runnable task) {
        try {
            task.run();
        } catch (RuntimeException e) {
            LOG.error("a task of a replica failed", e);
        }
    }
}
