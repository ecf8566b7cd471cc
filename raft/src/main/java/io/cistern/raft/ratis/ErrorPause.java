package io.cistern.raft.ratis;

import java.util.concurrent.TimeUnit;

/// How long to leave a follower alone after failures: short enough that it hears from its leader
/// before it asks for an election, long enough not to spin. Confined to one thread.
final class ErrorPause {
    private static final long FIRST_NANOS = TimeUnit.MILLISECONDS.toNanos(5);
    private static final int DOUBLINGS = 4;

    /// An inconsistency says where to go on; only many in a row mean that the follower is busy
    /// otherwise.
    private static final int FREE_INCONSISTENCIES = 8;

    private int failures;
    private int inconsistencies;
    private long pausedUntil;
    private boolean paused;

    /// True for the first failure after a success.
    boolean failed() {
        failures++;
        pause(Math.min(failures - 1, DOUBLINGS));
        return failures == 1;
    }

    void inconsistent() {
        inconsistencies++;
        if (inconsistencies > FREE_INCONSISTENCIES) {
            pause(Math.min(inconsistencies - FREE_INCONSISTENCIES, DOUBLINGS));
        }
    }

    private void pause(int doublings) {
        pausedUntil = System.nanoTime() + (FIRST_NANOS << doublings);
        paused = true;
    }

    /// True if there were failures before.
    boolean succeeded() {
        boolean after = failures > 0;
        failures = 0;
        inconsistencies = 0;
        paused = false;
        return after;
    }

    boolean isPaused(long now) {
        if (paused && pausedUntil - now <= 0) {
            paused = false;
        }
        return paused;
    }

    long pausedUntil() {
        return pausedUntil;
    }
}
