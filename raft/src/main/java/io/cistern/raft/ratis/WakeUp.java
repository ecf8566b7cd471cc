package io.cistern.raft.ratis;

import io.netty.channel.EventLoop;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// One timer of an event loop, confined to it. What is set for earlier than asked stays: the task
/// sets it anew.
final class WakeUp {
    private final EventLoop loop;
    private final Runnable task;
    private @Nullable Future<?> timer;
    private long setFor;

    WakeUp(EventLoop loop, Runnable task) {
        this.loop = loop;
        this.task = task;
    }

    /// Runs the task at `at` (System.nanoTime()), or before.
    void at(long now, long at) {
        if (timer != null && setFor - at <= 0 && setFor - now > 0) {
            return;
        }
        cancel();
        setFor = at;
        timer = loop.schedule(this::fire, Math.max(at - now, 0), TimeUnit.NANOSECONDS);
    }

    void cancel() {
        if (timer != null) {
            timer.cancel(false);
            timer = null;
        }
    }

    private void fire() {
        timer = null;
        task.run();
    }
}
