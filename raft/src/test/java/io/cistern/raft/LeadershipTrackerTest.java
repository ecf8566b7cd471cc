package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.atomic.AtomicLong;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LeadershipTrackerTest {
    private static final RaftTimings TIMINGS = Cluster.FAST;
    private static final long LEASE = TIMINGS.lease().toNanos();
    private static final Peer SELF = new Peer("n1.0", "n1", Cluster.anyPort(), 0);
    private static final Peer OTHER = new Peer("n2.0", "n2", Cluster.anyPort(), 0);

    private final AtomicLong now = new AtomicLong(1_000_000_000L);
    private final List<Leadership> told = new ArrayList<>();
    // The timer itself is not under test: what is due is asked for again by the test.
    private final ScheduledExecutorService timer = new ScheduledThreadPoolExecutor(0);
    private final LeadershipTracker tracker =
            new LeadershipTracker(SELF.id(), TIMINGS, now::get, timer, told::add);

    @AfterEach
    void stopTimer() {
        timer.shutdownNow();
    }

    private static LeadershipTracker readyAt(AtomicLong clock, long term) {
        LeadershipTracker one =
                new LeadershipTracker(
                        SELF.id(),
                        TIMINGS,
                        clock::get,
                        Executors.newSingleThreadScheduledExecutor(
                                Thread.ofPlatform().daemon().factory()),
                        change -> {});
        one.leaderIs(term, SELF);
        clock.addAndGet(LEASE);
        one.ownEntryApplied(term);
        return one;
    }

    @Test
    void aNewLeaderIsReadyOnceItsEntryIsAppliedAndTheLeaseOfTheOldHasRunOut() {
        tracker.leaderIs(3, SELF);
        assertThat(tracker.current()).isEqualTo(new Leadership(3, SELF, false));
        now.addAndGet(LEASE - 1);
        tracker.ownEntryApplied(3);
        assertThat(tracker.current().ready()).as("before the wait is over").isFalse();
    }

    @Test
    void readyNeedsBoth() {
        tracker.leaderIs(3, SELF);
        now.addAndGet(LEASE * 2);
        assertThat(tracker.current().ready()).isFalse();
        tracker.ownEntryApplied(2);
        assertThat(tracker.current().ready()).as("an entry of another term").isFalse();
        tracker.ownEntryApplied(3);
        assertThat(tracker.current()).isEqualTo(new Leadership(3, SELF, true));
        assertThat(told).extracting(Leadership::ready).containsExactly(false, true);
    }

    @Test
    void theLeaseRunsFromBeforeTheProposalAndEndsEarly() {
        LeadershipTracker leader = readyAt(now, 3);
        assertThat(leader.leaseValid()).as("ready alone is no lease").isFalse();
        long proposed = now.get();
        now.addAndGet(LEASE / 2);
        leader.committed(3, proposed);
        assertThat(leader.leaseValid()).isTrue();
        now.set(proposed + LEASE * 9 / 10 - 1);
        assertThat(leader.leaseValid()).isTrue();
        now.set(proposed + LEASE * 9 / 10);
        assertThat(leader.leaseValid()).isFalse();
    }

    @Test
    void anOlderProposalDoesNotShortenTheLease() {
        LeadershipTracker leader = readyAt(now, 3);
        long first = now.get();
        long second = first + LEASE / 2;
        now.set(second);
        leader.committed(3, second);
        leader.committed(3, first);
        now.set(second + LEASE * 9 / 10 - 1);
        assertThat(leader.leaseValid()).isTrue();
    }

    @Test
    void theLeaseIsDroppedWithTheLeadership() {
        LeadershipTracker leader = readyAt(now, 3);
        leader.committed(3, now.get());
        leader.stoppedLeading();
        assertThat(leader.leaseValid()).isFalse();
        leader.committed(3, now.get());
        assertThat(leader.leaseValid()).as("an entry that commits later").isFalse();
        leader.leaderIs(4, OTHER);
        assertThat(leader.current()).isEqualTo(new Leadership(4, OTHER, false));
        leader.leaderIs(3, SELF);
        assertThat(leader.current().term()).as("late news of an old term").isEqualTo(4);
    }

    @Test
    void aTransferDropsTheLeaseAndTakesNoneUntilItEnds() {
        LeadershipTracker leader = readyAt(now, 3);
        leader.committed(3, now.get());
        leader.transferBegins();
        assertThat(leader.leaseValid()).isFalse();
        leader.committed(3, now.get());
        assertThat(leader.leaseValid()).isFalse();
        leader.transferEnded();
        leader.committed(3, now.get());
        assertThat(leader.leaseValid()).isTrue();
    }

    /// Whenever the next leader was elected, at or after the last proposal that the old one could
    /// commit: they are never both ready, even if their clocks differ in speed by a tenth.
    @Property(tries = 500)
    void oldLeaseAndNewLeaderNeverMeet(
            @ForAll @IntRange(max = 400) int electedAfterMillis,
            @ForAll @IntRange(max = 400) int askedAfterMillis,
            @ForAll @IntRange(min = -10, max = 10) int slowerPercent) {
        AtomicLong oldClock = new AtomicLong(5_000_000_000L);
        LeadershipTracker old = readyAt(oldClock, 3);
        long proposed = oldClock.get();
        old.committed(3, proposed);

        AtomicLong newClock = new AtomicLong(-77);
        LeadershipTracker next =
                new LeadershipTracker(SELF.id(), TIMINGS, newClock::get, timer, change -> {});
        next.leaderIs(4, SELF);
        long sinceElection = askedAfterMillis * 1_000_000L;
        newClock.addAndGet(sinceElection);
        next.ownEntryApplied(4);

        long sinceProposal = electedAfterMillis * 1_000_000L + sinceElection;
        oldClock.set(proposed + sinceProposal / 100 * (100 - slowerPercent));
        assertThat(old.leaseValid() && next.current().ready()).isFalse();
    }
}
