package io.cistern.chaos.sim;

import java.util.List;
import java.util.concurrent.AbstractExecutorService;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Delayed;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/// A machine's timer and executor. Tasks begin in a random order, each after up to `mostDelay`.
public final class SimTimer extends AbstractExecutorService implements ScheduledExecutorService {
    private final Sim sim;
    private final Machine machine;
    private final long mostDelay;
    private boolean shutDown;

    public SimTimer(Sim sim, Machine machine, long mostDelay) {
        this.sim = sim;
        this.machine = machine;
        this.mostDelay = mostDelay;
    }

    private final class Task<V> implements ScheduledFuture<V> {
        final CompletableFuture<V> done = new CompletableFuture<>();
        Runnable cancel = () -> {};
        private final long dueNanos;

        Task(long delayNanos) {
            dueNanos = machine.nanoTime() + delayNanos;
        }

        @Override
        public long getDelay(TimeUnit unit) {
            return unit.convert(dueNanos - machine.nanoTime(), TimeUnit.NANOSECONDS);
        }

        @Override
        public int compareTo(Delayed other) {
            return Long.compare(
                    getDelay(TimeUnit.NANOSECONDS), other.getDelay(TimeUnit.NANOSECONDS));
        }

        @Override
        public boolean cancel(boolean interrupt) {
            cancel.run();
            return done.cancel(false);
        }

        @Override
        public boolean isCancelled() {
            return done.isCancelled();
        }

        @Override
        public boolean isDone() {
            return done.isDone();
        }

        @Override
        public V get() throws InterruptedException, ExecutionException {
            return done.get();
        }

        @Override
        public V get(long timeout, TimeUnit unit) throws InterruptedException, ExecutionException {
            return done.get();
        }
    }

    private void check() {
        if (shutDown) {
            throw new RejectedExecutionException("shut down");
        }
    }

    @Override
    public void execute(Runnable task) {
        check();
        sim.after(machine, sim.between(0, mostDelay), task);
    }

    @Override
    public ScheduledFuture<?> schedule(Runnable task, long delay, TimeUnit unit) {
        return schedule(
                () -> {
                    task.run();
                    return Boolean.TRUE;
                },
                delay,
                unit);
    }

    @Override
    public <V> ScheduledFuture<V> schedule(Callable<V> task, long delay, TimeUnit unit) {
        check();
        Task<V> handle = new Task<>(unit.toNanos(delay));
        handle.cancel =
                sim.afterOwn(
                        machine,
                        unit.toNanos(delay),
                        () -> {
                            try {
                                handle.done.complete(task.call());
                            } catch (RuntimeException e) {
                                throw e;
                            } catch (Exception e) {
                                throw new IllegalStateException(e);
                            }
                        });
        return handle;
    }

    @Override
    public ScheduledFuture<?> scheduleWithFixedDelay(
            Runnable task, long initial, long delay, TimeUnit unit) {
        check();
        Task<Boolean> handle = new Task<>(unit.toNanos(initial));
        again(handle, task, unit.toNanos(initial), unit.toNanos(delay));
        return handle;
    }

    private void again(Task<Boolean> handle, Runnable task, long first, long delay) {
        handle.cancel =
                sim.afterOwn(
                        machine,
                        first,
                        () -> {
                            if (!shutDown) {
                                task.run();
                                again(handle, task, delay, delay);
                            }
                        });
    }

    @Override
    public ScheduledFuture<?> scheduleAtFixedRate(
            Runnable task, long initial, long period, TimeUnit unit) {
        return scheduleWithFixedDelay(task, initial, period, unit);
    }

    @Override
    public void shutdown() {
        shutDown = true;
    }

    @Override
    public List<Runnable> shutdownNow() {
        shutDown = true;
        return List.of();
    }

    @Override
    public boolean isShutdown() {
        return shutDown;
    }

    @Override
    public boolean isTerminated() {
        return shutDown;
    }

    @Override
    public boolean awaitTermination(long timeout, TimeUnit unit) {
        return true;
    }
}
