package io.cistern.iscsi.session;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/// Brings work from other threads to an event loop, in order, with one wake-up for many.
final class LoopQueue {
    private final Consumer<Runnable> loop;
    private final Queue<Runnable> queue = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean scheduled = new AtomicBoolean();

    /// @param loop runs something on the event loop
    LoopQueue(Consumer<Runnable> loop) {
        this.loop = loop;
    }

    /// Any thread.
    void add(Runnable action) {
        queue.add(action);
        if (scheduled.compareAndSet(false, true)) {
            loop.accept(this::drain);
        }
    }

    /// Event loop only: does what has queued.
    void drain() {
        scheduled.set(false);
        while (true) {
            Runnable next = queue.poll();
            if (next == null) {
                return;
            }
            next.run();
        }
    }
}
