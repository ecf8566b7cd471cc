package io.cistern.chaos.sim;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.chaos.sim.SimRun.Plan;
import io.cistern.chaos.sim.SimRun.Result;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A short run of the simulation. `./cistern test --chaos` runs as many seeds as there is time for.
class SimulationTest {
    /// As many seeds as have two of each scenario.
    private static final int SEEDS = 14;

    @Test
    void nothingIsLostOrWrongAndEverythingGoesOn() {
        long first = System.currentTimeMillis() / 1000;
        Seeds seeds = new Seeds();
        for (long seed = first; seed < first + SEEDS; seed++) {
            seeds.add(seed, null);
        }
        assertThat(seeds.failures()).isEmpty();
        assertThat(seeds.sums()).hasSize(Fault.Scenario.values().length);
        assertThat(seeds.sums().values()).allMatch(sum -> sum.operations > 0);
    }

    /// Seeds that once found something:
    /// - 67 and 104: a replica copied the state of one that only waited to join, which has none
    /// - 31428: overwrites took second slots on a full replica that was being copied from
    @ParameterizedTest
    @ValueSource(longs = {67, 104, 31428})
    void whatWasFoundOnceStaysMended(long seed) {
        Plan plan = Plan.of(seed, null);
        Plan unrestricted = new Plan(seed, plan.scenario(), plan.faults(), plan.operations(), true);
        Result result = Seeds.run(unrestricted);
        assertThat(result.wrong()).as(Seeds.report(unrestricted)).isEmpty();
    }

    @Test
    void aSeedIsRepeatedEventByEvent() {
        Plan plan = Plan.of(6, null);
        Result first = Seeds.run(plan);
        Result second = Seeds.run(plan);
        assertThat(second.events()).isEqualTo(first.events());
        assertThat(second.digest()).isEqualTo(first.digest());
        assertThat(Seeds.run(Plan.of(13, plan.scenario())).digest()).isNotEqualTo(first.digest());
    }

    @Test
    void aReportsCommandStandsForItsPlan() {
        Plan plan = Plan.of(9, null);
        Plan fewer = plan.withFaults(plan.faults().subList(1, 3)).withOperations(3);
        assertThat(Seeds.plan(9, plan.scenario(), "1,2", 3)).isEqualTo(fewer);
    }
}
