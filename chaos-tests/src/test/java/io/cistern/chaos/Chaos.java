package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.chaos.sim.Fault.Scenario;
import io.cistern.chaos.sim.Seeds;
import io.cistern.chaos.sim.SimRun.Plan;
import io.cistern.chaos.sim.SimRun.Result;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What `./cistern test --chaos` runs. Not a part of the suite: its name does not end in Test.
///
/// System properties: `chaos.minutes` how long in all (1), of which real processes take half;
/// `chaos.seed` a seed, then that one only, unless `chaos.count` says how many from it on;
/// `chaos.scenario`, `chaos.faults`, `chaos.operations` as a report's command says; `chaos.real`
/// false leaves the real processes out.
class Chaos {
    private static final long SECOND = 1_000_000_000L;

    @TempDir Path dir;

    private final List<String> rows = new ArrayList<>();
    private final List<String> failures = new ArrayList<>();

    @Test
    void run() throws Exception {
        String seed = System.getProperty("chaos.seed");
        long minutes = Long.getLong("chaos.minutes", 1);
        long end = System.nanoTime() + minutes * 60 * SECOND;
        boolean real = seed == null && !"false".equals(System.getProperty("chaos.real"));
        long simulated = real ? end - minutes * 30 * SECOND : end;
        if (seed != null && Integer.getInteger("chaos.count", 1) == 1) {
            one(Long.parseLong(seed));
        } else {
            many(seed, simulated);
        }
        if (real) {
            real(end);
        }
        System.out.printf(
                "%n%-36s %6s %8s %11s %12s  %s%n",
                "scenario", "runs", "faults", "operations", "worst stall", "verdict");
        rows.forEach(System.out::println);
        failures.forEach(failure -> System.out.println("\n" + failure));
        assertThat(failures).isEmpty();
    }

    private void row(
            String name, long runs, long faults, long operations, long stallNanos, String verdict) {
        rows.add(
                String.format(
                        Locale.ROOT,
                        "%-36s %6d %8d %11d %9.1f s  %s",
                        name,
                        runs,
                        faults,
                        operations,
                        stallNanos / 1e9,
                        verdict));
    }

    private static @Nullable Scenario scenario() {
        String name = System.getProperty("chaos.scenario");
        return name == null ? null : Scenario.valueOf(name.toUpperCase(Locale.ROOT));
    }

    private void one(long seed) {
        Plan plan =
                Seeds.plan(
                        seed,
                        scenario(),
                        System.getProperty("chaos.faults"),
                        Integer.getInteger("chaos.operations", 0));
        Result result = Seeds.run(plan);
        String verdict = result.clean() ? "clean" : "FAILED";
        row(
                "simulated: " + plan.scenario(),
                1,
                result.faults(),
                result.operations(),
                result.stallNanos(),
                verdict);
        System.out.println(Seeds.report(plan));
        if (!result.clean()) {
            failures.add("seed " + seed + ": " + result.wrong());
        }
    }

    private void many(@Nullable String from, long until) {
        Seeds seeds = new Seeds();
        long seed = from == null ? System.currentTimeMillis() : Long.parseLong(from);
        long last = from == null ? Long.MAX_VALUE : seed + Integer.getInteger("chaos.count", 1);
        System.out.println("simulating from seed " + seed);
        for (; seed < last && System.nanoTime() < until; seed++) {
            seeds.add(seed, scenario());
        }
        seeds.sums()
                .forEach((s, sum) ->
                        row(
                                "simulated: " + s,
                                sum.runs,
                                sum.faults,
                                sum.operations,
                                sum.stallNanos,
                                sum.bad == 0 ? "clean" : sum.bad + " FAILED"));
        failures.addAll(seeds.failures());
    }

    private void real(long until) throws Exception {
        try (RealScenarios scenarios = new RealScenarios(dir)) {
            boolean first = true;
            while (first || System.nanoTime() < until) {
                real("processes: leader killed", scenarios::leaderKilled);
                real(
                        "processes: one away, another restarts",
                        scenarios::followerAwayWhileAnotherRestarts);
                real("processes: all killed at once", scenarios::allKilled);
                real("processes: leader frozen for 30 s", scenarios::leaderFrozen);
                first = false;
            }
        }
    }

    private void real(String name, Callable<RealScenarios.Outcome> scenario) {
        try {
            RealScenarios.Outcome outcome = scenario.call();
            row(
                    name,
                    1,
                    outcome.faults(),
                    outcome.operations(),
                    outcome.stall().toNanos(),
                    "clean");
        } catch (Exception | AssertionError e) {
            row(name, 1, 0, 0, 0, "FAILED");
            failures.add(name + ": " + e);
        }
    }
}
