package io.cistern.chaos.sim;

import io.cistern.block.CisternException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/// The scheduler: events in the order of their times, one at a time, and nothing beside them. The
/// same seed gives the same run, event by event.
///
/// An event may wait for a future ([#await]): its thread then sleeps and another one goes on with
/// the events, until the future is complete and the waiting thread is given its turn as an event of
/// its own. So there may be many threads, but one runs at a time and the scheduler says which.
public final class Sim implements AutoCloseable {
    private static final long TURN_LIMIT_SECONDS = 120;

    /// @param order among events of one time
    private record Event(long time, long order, Machine owner, Runnable task, boolean[] cancelled) {
        static final Comparator<Event> SOONEST =
                Comparator.comparingLong(Event::time).thenComparingLong(Event::order);
    }

    private final class Turn implements Runnable {
        final Semaphore baton = new Semaphore(0);

        @Override
        public void run() {
            take(this);
            loop(this);
        }
    }

    private static final class Waiting {
        final Turn turn;
        final Machine owner;
        boolean woken;

        Waiting(Turn turn, Machine owner) {
            this.turn = turn;
            this.owner = owner;
        }
    }

    private final Random random;
    private final PriorityQueue<Event> events = new PriorityQueue<>(Event.SOONEST);
    private final ArrayDeque<Turn> idle = new ArrayDeque<>();
    private final ThreadLocal<Turn> mine = new ThreadLocal<>();
    private final List<Thread> threads = new ArrayList<>();
    private final List<Waiting> waiting = new ArrayList<>();
    private final Semaphore main = new Semaphore(0);
    private final List<Throwable> failures = new ArrayList<>();
    private final Machine harness = new Machine(this, "harness", 1, 0);
    private Machine current = harness;
    private @Nullable Turn resume;
    private BooleanSupplier goal = () -> true;
    private long deadline;
    private long now;
    private long order;
    private long executed;
    private long digest = 0xcbf29ce484222325L;
    private boolean closing;

    public Sim(long seed) {
        this.random = new Random(seed ^ 0x5DEECE66DL);
    }

    /// Nanoseconds since the simulation began.
    public long now() {
        return now;
    }

    /// The only source of chance.
    public Random random() {
        return random;
    }

    /// Owner of what is no part of the cluster.
    public Machine harness() {
        return harness;
    }

    /// A process whose clock goes at `rate` times true speed.
    public Machine machine(String name, double rate, long offsetNanos) {
        return new Machine(this, name, rate, offsetNanos);
    }

    public Machine current() {
        return current;
    }

    /// Exceptions that nobody caught.
    public List<Throwable> failures() {
        return failures;
    }

    /// Events executed.
    public long executed() {
        return executed;
    }

    /// Differs between two runs that differ in anything noted.
    public long digest() {
        return digest;
    }

    /// Makes `what` a part of the digest.
    public void note(long what) {
        digest = (digest ^ what) * 0x100000001b3L;
        digest ^= digest >>> 29;
    }

    /// Runs `task` in `owner` after so long by true time.
    ///
    /// @return cancels it
    public Runnable after(Machine owner, long nanos, Runnable task) {
        boolean[] cancelled = new boolean[1];
        events.add(new Event(now + Math.max(0, nanos), order++, owner, task, cancelled));
        return () -> cancelled[0] = true;
    }

    /// As [#after], by the owner's own clock.
    public Runnable afterOwn(Machine owner, long nanos, Runnable task) {
        return after(owner, owner.real(nanos), task);
    }

    /// A time between `least` and `most`.
    public long between(long least, long most) {
        return least + (long) (random.nextDouble() * (most - least));
    }

    public boolean chance(double probability) {
        return random.nextDouble() < probability;
    }

    /// Goes on until `done` or for so long.
    ///
    /// @return whether `done`
    public boolean run(long nanos, BooleanSupplier done) {
        deadline = now + nanos;
        goal = done;
        give(turn());
        take(main);
        current = harness;
        return done.getAsBoolean();
    }

    private Turn turn() {
        Turn next = idle.poll();
        if (next == null) {
            next = new Turn();
            Turn created = next;
            Thread thread = Thread.ofPlatform().daemon().name("sim-turn").unstarted(created);
            threads.add(thread);
            thread.start();
        }
        return next;
    }

    private static void give(Turn turn) {
        turn.baton.release();
    }

    private void take(Turn turn) {
        mine.set(turn);
        take(turn.baton);
    }

    private static void take(Semaphore baton) {
        baton.acquireUninterruptibly();
    }

    private void loop(Turn me) {
        while (!closing) {
            Event next = events.peek();
            if (next == null || next.time > deadline || goal.getAsBoolean()) {
                if (next == null || next.time > deadline) {
                    now = Math.max(now, deadline);
                }
                idle.push(me);
                main.release();
                take(me);
                continue;
            }
            events.poll();
            execute(next);
            Turn other = resume;
            if (other != null) {
                resume = null;
                idle.push(me);
                give(other);
                take(me);
            }
        }
        main.release();
    }

    private void execute(Event event) {
        if (event.cancelled[0] || event.owner.dead()) {
            return;
        }
        if (event.owner.frozenUntil() > event.time) {
            events.add(
                    new Event(
                            event.owner.frozenUntil(),
                            event.order,
                            event.owner,
                            event.task,
                            event.cancelled));
            return;
        }
        now = event.time;
        executed++;
        note(event.time);
        current = event.owner;
        try {
            event.task.run();
        } catch (Killed dead) {
            // As intended.
        } catch (Throwable e) {
            failures.add(e);
        }
        current = harness;
    }

    /// Waits for a future within an event.
    ///
    /// @throws CisternException what it failed with
    public <T> T await(CompletableFuture<T> future) {
        if (!future.isDone()) {
            Turn me = mine.get();
            if (me == null) {
                throw new IllegalStateException("only events can wait");
            }
            Machine owner = current;
            Waiting wait = new Waiting(me, owner);
            waiting.add(wait);
            future.whenComplete((value, failure) -> wake(wait));
            give(turn());
            take(me);
            waiting.remove(wait);
            current = owner;
            if (closing || owner.dead()) {
                throw new Killed();
            }
        }
        try {
            return future.get();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Killed dead) {
                throw dead;
            }
            throw CisternException.of(e);
        }
    }

    private void wake(Waiting wait) {
        if (!wait.woken && !wait.owner.dead()) {
            wait.woken = true;
            after(wait.owner, 0, () -> resume = wait.turn);
        }
    }

    /// Waits within an event.
    public void sleep(long nanos) {
        CompletableFuture<Boolean> over = new CompletableFuture<>();
        afterOwn(current, nanos, () -> over.complete(true));
        await(over);
    }

    /// Ends a process. What it waits for ends at once; then `buried` runs.
    public void kill(Machine machine, Runnable buried) {
        machine.die();
        for (Waiting wait : List.copyOf(waiting)) {
            if (wait.owner == machine) {
                after(harness, 0, () -> resume = wait.turn);
            }
        }
        bury(machine, buried);
    }

    private void bury(Machine machine, Runnable buried) {
        after(
                harness,
                1,
                () -> {
                    if (waiting.stream().anyMatch(wait -> wait.owner == machine)) {
                        bury(machine, buried);
                    } else {
                        buried.run();
                    }
                });
    }

    /// Ends all threads, those that wait by [Killed].
    @Override
    public void close() {
        closing = true;
        for (Waiting wait : List.copyOf(waiting)) {
            give(wait.turn);
            takeOrFail();
        }
        for (Turn turn = idle.poll(); turn != null; turn = idle.poll()) {
            give(turn);
            takeOrFail();
        }
        for (Thread thread : threads) {
            try {
                thread.join(TimeUnit.SECONDS.toMillis(TURN_LIMIT_SECONDS));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    private void takeOrFail() {
        try {
            if (!main.tryAcquire(TURN_LIMIT_SECONDS, TimeUnit.SECONDS)) {
                throw new IllegalStateException("a thread of the simulation does not end");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
