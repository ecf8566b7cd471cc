package io.cistern.raft.ratis;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class WitnessGateTest {
    private static final long SECOND = 1_000_000_000L;

    /// A clock may begin anywhere, and pass through zero.
    private static final long BEGIN = -5 * SECOND;

    private static final class Follower implements WitnessGate.Mirror {
        long matched = -1;
        @Nullable Long heard;
        @Nullable Long failing;

        @Override
        public long matched() {
            return matched;
        }

        @Override
        public @Nullable Long heardAt() {
            return heard;
        }

        @Override
        public @Nullable Long failingSince() {
            return failing;
        }
    }

    private final Follower follower = new Follower();
    private final WitnessGate gate = new WitnessGate("test", Duration.ofSeconds(2), BEGIN);
    private long now;

    @BeforeEach
    void begin() {
        now = BEGIN;
    }

    private long limit(long end) {
        return gate.limit(List.of(follower), end, now);
    }

    /// The follower answers with `matched` now.
    private void answers(long matched) {
        follower.matched = matched;
        follower.heard = now;
        follower.failing = null;
    }

    private void holdAt(long matched) {
        answers(matched);
        assertThat(limit(matched)).isEqualTo(matched);
    }

    @Test
    void aNewLeaderThatHasHeardFromNobodyCountsOnTheWitness() {
        assertThat(limit(100)).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void theWitnessIsHeldAtAFollowerThatKeepsUp() {
        answers(90);
        assertThat(limit(100)).isEqualTo(90);
        now += SECOND;
        answers(100);
        assertThat(limit(120)).isEqualTo(100);
    }

    @Test
    void theWitnessStandsInUntilAnotherHasWhatItWasSent() {
        assertThat(gate.standsIn()).isTrue();
        answers(90);
        assertThat(limit(100)).isEqualTo(90);
        assertThat(gate.standsIn()).isTrue();
        answers(99);
        assertThat(limit(200)).isEqualTo(99);
        assertThat(gate.standsIn()).isTrue();
        answers(100);
        assertThat(limit(200)).isEqualTo(100);
        assertThat(gate.standsIn()).isFalse();
        follower.failing = now;
        now += SECOND;
        assertThat(limit(200)).isEqualTo(Long.MAX_VALUE);
        assertThat(gate.standsIn()).isTrue();
    }

    @Test
    void aFollowerThatIsFarBehindHoldsNobodyUp() {
        answers(100);
        assertThat(limit(100 + WitnessGate.NEAR_ENTRIES + 1)).isEqualTo(Long.MAX_VALUE);
        answers(200);
        assertThat(limit(200 + WitnessGate.NEAR_ENTRIES)).isEqualTo(200);
    }

    @Test
    void theWitnessStandsInForAFollowerThatIsSilent() {
        holdAt(100);
        now += 2 * SECOND;
        assertThat(limit(101)).isEqualTo(100);
        now += 1;
        assertThat(limit(101)).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void theWitnessStandsInSoonForAFollowerThatCannotBeReached() {
        holdAt(100);
        now += SECOND / 10;
        follower.failing = now;
        assertThat(limit(101)).isEqualTo(100);
        now += SECOND / 5;
        assertThat(limit(101)).isEqualTo(100);
        now += 1;
        assertThat(limit(101)).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void theWitnessStandsInForAFollowerThatAnswersAndTakesNothing() {
        holdAt(100);
        for (int i = 0; i < 40; i++) {
            now += SECOND / 10;
            answers(100);
            long expected = i <= 20 ? 100 : Long.MAX_VALUE;
            // Behind a second of standing in it is near again, and is waited for once more.
            if (i <= 30) {
                assertThat(limit(101)).as("after %s tenths", i).isEqualTo(expected);
            }
        }
    }

    @Test
    void aFollowerThatIsSlowButGoesOnIsWaitedFor() {
        holdAt(100);
        for (int i = 0; i < 100; i++) {
            now += SECOND;
            answers(101 + i);
            assertThat(limit(110 + i)).isEqualTo(101 + i);
        }
    }

    @Test
    void timeWithoutEntriesIsNotHeldAgainstAFollower() {
        holdAt(100);
        now += 3600 * SECOND;
        answers(100);
        assertThat(limit(101)).isEqualTo(100);
    }

    @Test
    void onceItStandsInItDoesSoForAMoment() {
        holdAt(100);
        follower.failing = now;
        now += SECOND;
        assertThat(limit(101)).isEqualTo(Long.MAX_VALUE);
        answers(101);
        assertThat(limit(101)).isEqualTo(Long.MAX_VALUE);
        now += SECOND;
        answers(101);
        assertThat(limit(102)).isEqualTo(101);
    }

    @Test
    void ofSeveralFollowersTheFurthestThatIsThereCounts() {
        Follower dead = new Follower();
        dead.matched = 500;
        answers(90);
        assertThat(gate.limit(List.of(dead, follower), 100, now)).isEqualTo(90);
        dead.heard = now;
        dead.matched = 95;
        assertThat(gate.limit(List.of(dead, follower), 100, now)).isEqualTo(95);
    }

    @Test
    void whereNobodyElseKeepsDataThereIsNobodyToWaitFor() {
        assertThat(gate.limit(List.<Follower>of(), 100, now)).isEqualTo(Long.MAX_VALUE);
    }
}
