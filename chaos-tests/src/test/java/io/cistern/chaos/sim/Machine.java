package io.cistern.chaos.sim;

import java.time.Instant;
import java.time.InstantSource;
import java.util.SplittableRandom;

/// One life of a process on a machine of the simulation: what it scheduled dies with it, waits
/// while it is frozen, and sees its own clock.
public final class Machine {
    /// Wall clocks begin here, so that times look like times.
    private static final long EPOCH_MILLIS = 1_700_000_000_000L;

    private static final long YEAR_MILLIS = 365 * 86_400_000L;
    private static final long SET_NANOS = 5_000_000_000L;

    private final Sim sim;
    private final String name;
    private final double rate;
    private final long offsetNanos;
    private boolean dead;
    private long frozenUntil;

    Machine(Sim sim, String name, double rate, long offsetNanos) {
        this.sim = sim;
        this.name = name;
        this.rate = rate;
        this.offsetNanos = offsetNanos;
    }

    public String name() {
        return name;
    }

    public boolean dead() {
        return dead;
    }

    /// The machine's monotonic clock.
    public long nanoTime() {
        return offsetNanos + (long) (sim.now() * rate);
    }

    /// What `nanos` on the machine's clock take.
    public double rate() {
        return rate;
    }

    long real(long nanos) {
        return (long) Math.ceil(nanos / rate) + 1;
    }

    /// The machine's wall clock, which is set anew every few seconds, by up to a year.
    public InstantSource clock() {
        return () -> {
            long nanos = nanoTime();
            long times = Math.floorDiv(nanos, SET_NANOS);
            long ahead =
                    new SplittableRandom(name.hashCode() + times)
                            .nextLong(-YEAR_MILLIS, YEAR_MILLIS);
            return Instant.ofEpochMilli(EPOCH_MILLIS + ahead + nanos / 1_000_000);
        };
    }

    public boolean frozen() {
        return frozenUntil > sim.now();
    }

    long frozenUntil() {
        return frozenUntil;
    }

    /// Nothing of it runs for so long.
    public void freeze(long nanos) {
        frozenUntil = Math.max(frozenUntil, sim.now() + nanos);
    }

    public void thaw() {
        frozenUntil = 0;
    }

    void die() {
        dead = true;
    }

    @Override
    public String toString() {
        return name;
    }
}
