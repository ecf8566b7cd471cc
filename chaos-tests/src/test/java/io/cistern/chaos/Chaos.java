package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.chaos.sim.Fault.Scenario;
import io.cistern.chaos.sim.Seeds;
import io.cistern.chaos.sim.SimRun.Plan;
import io.cistern.chaos.sim.SimRun.Result;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What `./cistern test --chaos` runs. Not a part of the suite: its name does not end in Test.
///
/// System properties: `chaos.minutes` how long in all (1), of which real processes take half;
/// `chaos.seed` a seed, then that one only, unless `chaos.count` says how many from it on;
/// `chaos.scenario`, `chaos.faults`, `chaos.operations` as a report's command says; `chaos.real`
/// false leaves the real processes out; `chaos.processes` names the scenarios of real processes to
/// run, with commas, and leaves the simulation out. They need root, as in a container.
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
        List<String> processes = processes();
        boolean real =
                !processes.isEmpty()
                        || (seed == null && !"false".equals(System.getProperty("chaos.real")));
        long simulated = real ? end - minutes * 30 * SECOND : end;
        if (processes.isEmpty() && seed != null && Integer.getInteger("chaos.count", 1) == 1) {
            one(Long.parseLong(seed));
        } else if (processes.isEmpty()) {
            many(seed, simulated);
        }
        if (real) {
            real(end, processes);
        }
        System.out.printf(
                "%n%-36s %6s %8s %11s %12s  %s%n",
                "scenario", "runs", "faults", "operations", "worst stall", "verdict");
        rows.forEach(System.out::println);
        failures.forEach(failure -> System.out.println("\n" + failure));
        assertThat(failures).isEmpty();
    }

    private static List<String> processes() {
        String names = System.getProperty("chaos.processes", "");
        return names.isEmpty() ? List.of() : List.of(names.split(",", -1));
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

    /// Each scenario in turn until the time is up, at least once; one row for each.
    private void real(long until, List<String> wanted) throws Exception {
        long seed = Long.getLong("chaos.seed", System.currentTimeMillis());
        Map<String, Sum> sums = new LinkedHashMap<>();
        try (RealScenarios scenarios = new RealScenarios(dir, seed)) {
            List<String> names = new ArrayList<>(scenarios.names());
            if (!wanted.isEmpty()) {
                assertThat(names).as("scenarios of real processes").containsAll(wanted);
                names.retainAll(wanted);
            }
            boolean first = true;
            while (first || System.nanoTime() < until) {
                for (String name : names) {
                    if (first || System.nanoTime() < until) {
                        real(scenarios, name, sums.computeIfAbsent(name, n -> new Sum()));
                    }
                }
                first = false;
            }
        }
        sums.forEach((name, sum) ->
                row(
                        "processes: " + name,
                        sum.runs,
                        sum.faults,
                        sum.operations,
                        sum.stallNanos,
                        sum.bad == 0 ? "clean" : sum.bad + " FAILED"));
    }

    private static final class Sum {
        int runs;
        int bad;
        long faults;
        long operations;
        long stallNanos;
    }

    private void real(RealScenarios scenarios, String name, Sum sum) throws Exception {
        long from = System.nanoTime();
        sum.runs++;
        try {
            RealScenarios.Outcome outcome = scenarios.run(name);
            sum.faults += outcome.faults();
            sum.operations += outcome.operations();
            sum.stallNanos = Math.max(sum.stallNanos, outcome.stall().toNanos());
            System.out.printf(
                    "%s: clean, %d faults, %d operations, worst stall %d ms, %d s%n",
                    name,
                    outcome.faults(),
                    outcome.operations(),
                    outcome.stall().toMillis(),
                    (System.nanoTime() - from) / SECOND);
        } catch (Exception | Error e) {
            sum.bad++;
            failures.add("processes: " + name + ": " + e);
            System.out.println(name + ": FAILED: " + e);
            scenarios.giveUp();
        }
    }
}
