package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.raft.ElectionTimer.Rank;
import io.cistern.raft.ElectionTimer.Voter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class ElectionTimerTest {
    private static final RaftTimings TIMINGS = RaftTimings.DEFAULT;

    // --- ranks

    @Property
    void thoseThatMayStandHaveRanksOfTheirOwnAndTimesThatDoNotMeet(
            @ForAll @Size(min = 1, max = 7) List<@IntRange(max = 2) Integer> priorities,
            @ForAll @IntRange(max = 7) int leader,
            @ForAll @DoubleRange(max = 0.99) double chance) {
        List<Voter> voters = new ArrayList<>();
        for (int i = 0; i < priorities.size(); i++) {
            voters.add(new Voter("n" + i + ".0", priorities.get(i)));
        }
        List<Rank> ranks = new ArrayList<>();
        for (Voter voter : voters) {
            Rank rank = Rank.of(voter.id(), "n" + leader + ".0", voters);
            if (rank == null) {
                assertThat(voter.id()).isEqualTo("n" + leader + ".0");
            } else {
                ranks.add(rank);
                assertThat(rank.patience(TIMINGS, chance))
                        .isBetween(TIMINGS.electionMin(), TIMINGS.electionMax());
            }
        }
        Set<Integer> own = new HashSet<>();
        for (Rank one : ranks) {
            assertThat(own.add(one.own())).isTrue();
            assertThat(one.own()).isBetween(0, ranks.size() - 1);
            for (Rank other : ranks) {
                if (one.own() < other.own()) {
                    assertThat(one.patience(TIMINGS, 0.99)).isLessThan(other.patience(TIMINGS, 0));
                }
            }
        }
    }

    @Test
    void thePreferredStandsFirstAndAWitnessNever() {
        String witness = "n9.w1";
        assertThat(Peer.isWitness(witness)).isTrue();
        List<Voter> voters =
                List.of(new Voter("n1.0", 0), new Voter(witness, 5), new Voter("n2.0", 1));
        assertThat(Rank.of("n2.0", null, voters)).isEqualTo(new Rank(0, 2));
        assertThat(Rank.of("n1.0", null, voters)).isEqualTo(new Rank(1, 2));
        assertThat(Rank.of(witness, null, voters)).isNull();
        assertThat(Rank.of("n3.0", null, voters)).as("no voter").isNull();
    }

    // --- silence

    private final AtomicLong now = new AtomicLong();
    private long heard;
    private boolean follows = true;
    private final List<Duration> stood = new ArrayList<>();
    private @Nullable Runnable look;
    private long due;

    private final ElectionTimer timer =
            new ElectionTimer(
                    new ElectionTimer.Follower() {
                        @Override
                        public long silentMillis() {
                            return follows ? (now.get() - heard) / 1_000_000 : -1;
                        }

                        @Override
                        public Rank rank() {
                            return new Rank(0, 1);
                        }

                        @Override
                        public void stand(Duration silence) {
                            stood.add(Duration.ofNanos(now.get() - heard));
                            heard = now.get();
                        }
                    },
                    TIMINGS,
                    (task, wait) -> {
                        look = task;
                        due = now.get() + wait.toNanos();
                    },
                    Runnable::run,
                    now::get);

    /// Lets looks come when they are due, up to then.
    private void until(Duration time) {
        while (look != null && due <= time.toNanos()) {
            now.set(due);
            Runnable next = Objects.requireNonNull(look);
            look = null;
            next.run();
        }
        now.set(time.toNanos());
    }

    @Test
    void itStandsAsSoonAsTheSilenceHasLasted() {
        timer.start();
        until(Duration.ofMillis(333));
        heard = now.get();
        until(Duration.ofMillis(700));
        heard = now.get();
        until(Duration.ofMillis(1190));
        assertThat(stood).isEmpty();
        until(Duration.ofMillis(2000));
        // Within the third by chance, and the shortest wait.
        assertThat(stood.getFirst())
                .isBetween(Duration.ofMillis(500), Duration.ofMillis(500 + 100 + 10));
    }

    @Test
    void itDoesNotStandWhileItIsSpokenToOrLeads() {
        timer.start();
        for (int i = 1; i <= 50; i++) {
            until(Duration.ofMillis(250L * i));
            heard = now.get();
        }
        follows = false;
        until(Duration.ofMillis(30_000));
        assertThat(stood).isEmpty();
        assertThat(look).as("it goes on looking").isNotNull();
    }

    @Test
    void aProcessThatStoodStillListensFirst() {
        timer.start();
        until(Duration.ofMillis(100));
        now.set(Duration.ofSeconds(10).toNanos());
        Runnable late = Objects.requireNonNull(look);
        look = null;
        late.run();
        assertThat(stood).isEmpty();
        until(Duration.ofMillis(10_490));
        assertThat(stood).isEmpty();
        until(Duration.ofMillis(10_700));
        assertThat(stood).hasSize(1);
    }

    @Test
    void aTimerThatIsClosedEnds() {
        timer.start();
        timer.close();
        until(Duration.ofSeconds(5));
        assertThat(look).isNull();
        assertThat(stood).isEmpty();
    }
}
