package io.cistern.raft;

import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// Makes a follower stand for election when its leader has been silent, one follower after the
/// other.
///
/// Each voter has a rank, the same in everybody's eyes: the leader and witnesses left out, those of
/// the highest priority first, then by id. The first waits for `electionMin`, the last for almost
/// `electionMax`, the others between them, each up to a third of the distance to the next longer,
/// by chance. So the first is mostly elected before another stands, where times that are drawn
/// alone (Raft, section 5.2) would now and then split the votes.
///
/// A look is taken when the time is over that is left, so the silence is noticed when it has lasted
/// as long as it may, and not at the end of a sleep that began anywhere in it. Where a look comes
/// late, this process stood still: what a leader has sent may not have been read yet, and the time
/// begins anew.
final class ElectionTimer implements AutoCloseable {
    /// A look that is later than this says that the process stood still.
    private static final Duration LATE = Duration.ofMillis(150);

    private static final Duration SHORTEST = Duration.ofMillis(10);

    /// What is to be known of the replica and done with it.
    interface Follower {
        /// Milliseconds without word from a leader; negative where there is nothing to wait for.
        /// Never blocks.
        long silentMillis();

        /// Which of those that may stand this replica is; null if it may not.
        @Nullable Rank rank();

        /// Stands for election unless the silence is shorter than that after all. May block.
        void stand(Duration silence);
    }

    /// @param priority as in [Peer#priority]
    record Voter(String id, int priority) {}

    /// @param own 0 stands first
    /// @param of how many there are, at least 1
    record Rank(int own, int of) {
        /// @param leader the last one that was known, or null
        static @Nullable Rank of(String self, @Nullable String leader, List<Voter> voters) {
            List<String> ranked =
                    voters.stream()
                            .filter(v -> !Peer.isWitness(v.id()) && !v.id().equals(leader))
                            .sorted(
                                    Comparator.comparingInt((Voter v) -> -v.priority())
                                            .thenComparing(Voter::id))
                            .map(Voter::id)
                            .toList();
            int own = ranked.indexOf(self);
            return own < 0 ? null : new Rank(own, ranked.size());
        }

        /// How long to wait.
        ///
        /// @param chance from 0 up to 1, without 1
        Duration patience(RaftTimings timings, double chance) {
            double step =
                    (double) (timings.electionMax().toNanos() - timings.electionMin().toNanos())
                            / of;
            return timings.electionMin().plusNanos((long) (step * (own + chance / 3)));
        }
    }

    private final Follower follower;
    private final RaftTimings timings;
    private final BiConsumer<Runnable, Duration> later;
    private final Executor blocking;
    private final LongSupplier nanoTime;

    private volatile boolean closed;

    // Of the timer's thread, and before it of the thread that starts.
    private double chance;
    private long notBefore;
    private long expected;

    /// @param later runs a look, which takes microseconds, after a time
    /// @param blocking stands for election
    ElectionTimer(
            Follower follower,
            RaftTimings timings,
            BiConsumer<Runnable, Duration> later,
            Executor blocking,
            LongSupplier nanoTime) {
        this.follower = follower;
        this.timings = timings;
        this.later = later;
        this.blocking = blocking;
        this.nanoTime = nanoTime;
    }

    void start() {
        chance = RandomGenerator.getDefault().nextDouble();
        notBefore = nanoTime.getAsLong();
        next(timings.electionMin());
    }

    private void next(Duration wait) {
        if (closed) {
            return;
        }
        Duration atLeast = wait.compareTo(SHORTEST) < 0 ? SHORTEST : wait;
        expected = nanoTime.getAsLong() + atLeast.toNanos();
        later.accept(this::look, atLeast);
    }

    private void look() {
        if (closed) {
            return;
        }
        long now = nanoTime.getAsLong();
        long silent = follower.silentMillis();
        Rank rank = silent < 0 ? null : follower.rank();
        if (now - expected > LATE.toNanos()) {
            notBefore = now;
        }
        if (rank == null) {
            next(timings.electionMin().dividedBy(2));
            return;
        }
        Duration patience = rank.patience(timings, chance);
        Duration heardNothing =
                Duration.ofNanos(Math.min(TimeUnit.MILLISECONDS.toNanos(silent), now - notBefore));
        Duration left = patience.minus(heardNothing);
        if (left.isPositive()) {
            next(left);
            return;
        }
        chance = RandomGenerator.getDefault().nextDouble();
        blocking.execute(() -> follower.stand(patience));
        next(timings.electionMin().dividedBy(2));
    }

    @Override
    public void close() {
        closed = true;
    }
}
