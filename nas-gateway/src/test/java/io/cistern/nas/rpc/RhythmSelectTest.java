package io.cistern.nas.rpc;

import static io.netty.channel.SelectStrategy.CONTINUE;
import static io.netty.channel.SelectStrategy.SELECT;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class RhythmSelectTest {
    private long now = 1;
    private int ready;
    private int polls;
    private boolean underWay;
    private final RhythmSelect strategy = new RhythmSelect(() -> now, () -> underWay);

    /// Once more than needed: what came before the first turn is not known.
    private int run() throws Exception {
        return turns(RhythmSelect.RUN + 1, 50_000);
    }

    private int ask(boolean hasTasks) throws Exception {
        return strategy.calculateStrategy(
                () -> {
                    polls++;
                    return ready;
                },
                hasTasks);
    }

    /// Turns of a loop that sleeps in between.
    ///
    /// @return what was said at the end of the last one
    private int turns(int count, long nanos) throws Exception {
        int said = SELECT;
        for (int i = 0; i < count; i++) {
            now += nanos;
            said = ask(false);
        }
        return said;
    }

    /// Looks until told to sleep.
    ///
    /// @return for how long
    private long look() throws Exception {
        long begun = now;
        while (ask(false) == CONTINUE) {
            now += 1_000;
        }
        return now - begun;
    }

    @Test
    void aLoopWithLittleToDoSleepsAtOnce() throws Exception {
        assertThat(turns(1_000, RhythmSelect.SHORT_NANOS + 1)).isEqualTo(SELECT);
        assertThat(polls).isZero();
    }

    @Test
    void itLooksForTheNextRequestOnceThereWereManyInARow() throws Exception {
        turns(1, 10 * RhythmSelect.SHORT_NANOS);
        assertThat(turns(RhythmSelect.RUN - 1, 50_000)).isEqualTo(SELECT);
        assertThat(polls).isZero();
        assertThat(turns(1, 50_000)).isEqualTo(CONTINUE);
        now += 20_000;
        ready = 1;
        assertThat(ask(false)).as("found").isEqualTo(1);
        ready = 0;
        assertThat(turns(1, 20_000)).as("and looks again").isEqualTo(CONTINUE);
    }

    @Test
    void looksInVainAreFewAmongShortTurns() throws Exception {
        turns(10 * RhythmSelect.RUN, 0);
        assertThat(look()).isBetween(RhythmSelect.LOOK_NANOS, RhythmSelect.LOOK_NANOS + 2_000);
        long looked = 0;
        for (int turn = 0; turn < 10_000; turn++) {
            now += 30_000;
            looked += look();
        }
        long most = 10_000 / RhythmSelect.RUN * (RhythmSelect.LOOK_NANOS + 2_000);
        assertThat(looked).isPositive().isLessThanOrEqualTo(most);
    }

    @Test
    void oneLongTurnEndsARun() throws Exception {
        assertThat(run()).isEqualTo(CONTINUE);
        look();
        assertThat(run()).isEqualTo(CONTINUE);
        look();
        now += 10 * RhythmSelect.SHORT_NANOS;
        int before = polls;
        assertThat(ask(false)).isEqualTo(SELECT);
        assertThat(polls).isEqualTo(before);
    }

    @Test
    void whileOtherThreadsCarryOutCallsItSleeps() throws Exception {
        run();
        underWay = true;
        int before = polls;
        assertThat(ask(false)).isEqualTo(SELECT);
        assertThat(turns(100, 50_000)).isEqualTo(SELECT);
        underWay = false;
        assertThat(turns(RhythmSelect.RUN - 1, 50_000)).isEqualTo(SELECT);
        assertThat(polls).isEqualTo(before);
    }

    @Test
    void tasksAreSeenToWhileItLooks() throws Exception {
        run();
        assertThat(ask(true)).as("does not wait, does not sleep").isZero();
        assertThat(ask(false)).isEqualTo(CONTINUE);
    }
}
