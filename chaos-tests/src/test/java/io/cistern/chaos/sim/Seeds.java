package io.cistern.chaos.sim;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import io.cistern.chaos.sim.Fault.Scenario;
import io.cistern.chaos.sim.SimRun.Plan;
import io.cistern.chaos.sim.SimRun.Result;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/// Runs many seeds, sums them up by scenario, and makes a failing one small.
public final class Seeds {
    private static final int SHRINKING_RUNS = 200;

    /// What the runs of one scenario came to.
    public static final class Sum {
        public int runs;
        public int bad;
        public long faults;
        public long operations;
        public long stallNanos;

        void add(Result result) {
            runs++;
            bad += result.clean() ? 0 : 1;
            faults += result.faults();
            operations += result.operations();
            stallNanos = Math.max(stallNanos, result.stallNanos());
        }
    }

    private final Map<Scenario, Sum> sums = new TreeMap<>();
    private final List<String> failures = new ArrayList<>();

    public Map<Scenario, Sum> sums() {
        return sums;
    }

    /// Reports of failed runs, made small.
    public List<String> failures() {
        return failures;
    }

    /// Runs one plan.
    public static Result run(Plan plan) {
        Path root = directory();
        quiet();
        try {
            return SimRun.run(plan, root);
        } finally {
            for (int node = 0; node < 3; node++) {
                delete(root.resolve("n" + node));
            }
            delete(root);
        }
    }

    /// The cluster's own logs tell of the faults that are meant.
    private static void quiet() {
        if (LoggerFactory.getLogger("io.cistern") instanceof Logger logger
                && !Boolean.getBoolean("chaos.log")) {
            logger.setLevel(Level.OFF);
        }
    }

    private static Path directory() {
        try {
            Path memory = Path.of("/dev/shm");
            return Files.isWritable(memory)
                    ? Files.createTempDirectory(memory, "cistern-sim")
                    : Files.createTempDirectory("cistern-sim");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void delete(Path empty) {
        try {
            Files.deleteIfExists(empty);
        } catch (IOException leftover) {
            throw new UncheckedIOException(leftover);
        }
    }

    /// Runs a seed and keeps count; a failure is made small and reported.
    ///
    /// @return whether it was clean
    public boolean add(long seed, @Nullable Scenario scenario) {
        Plan plan = Plan.of(seed, scenario);
        Result result = run(plan);
        sums.computeIfAbsent(plan.scenario(), s -> new Sum()).add(result);
        if (result.stallNanos() > Long.getLong("chaos.stall", Long.MAX_VALUE)) {
            System.out.println(seed + " was slow:");
            result.log().forEach(line -> System.out.println("  " + line));
        }
        if (!result.clean()) {
            failures.add(report(Boolean.getBoolean("chaos.whole") ? plan : shrink(plan)));
        }
        return result.clean();
    }

    /// A plan with fewer faults and operations that fails, too.
    public static Plan shrink(Plan failing) {
        Plan best = failing;
        int runs = 0;
        for (int size = Math.max(1, best.faults().size() / 2); size >= 1; size /= 2) {
            for (int from = 0; from + size <= best.faults().size() && runs < SHRINKING_RUNS; ) {
                List<Fault> fewer = new ArrayList<>(best.faults());
                fewer.subList(from, from + size).clear();
                Plan tried = best.withFaults(fewer);
                runs++;
                if (run(tried).clean()) {
                    from += size;
                } else {
                    best = tried;
                }
            }
        }
        for (int operations = best.operations() / 2;
                operations >= 1 && runs < SHRINKING_RUNS;
                operations /= 2) {
            Plan tried = best.withOperations(operations);
            runs++;
            if (run(tried).clean()) {
                break;
            }
            best = tried;
        }
        return best;
    }

    /// What a plan does, and the command that does it again.
    public static String report(Plan plan) {
        Result result = run(plan);
        Plan whole = Plan.of(plan.seed(), plan.scenario());
        List<Fault> left = new ArrayList<>(plan.faults());
        StringBuilder kept = new StringBuilder();
        for (int i = 0; i < whole.faults().size(); i++) {
            if (left.remove(whole.faults().get(i))) {
                kept.append(kept.isEmpty() ? "" : ",").append(i);
            }
        }
        StringBuilder text = new StringBuilder();
        text.append("seed ").append(plan.seed()).append(", ").append(plan.scenario());
        text.append(", ").append(plan.operations()).append(" operations per client; again by\n");
        text.append("  ./cistern test --chaos --seed ").append(plan.seed());
        text.append(" --scenario ").append(plan.scenario());
        text.append(" --faults ").append(kept.isEmpty() ? "none" : kept);
        text.append(" --operations ").append(plan.operations()).append('\n');
        plan.faults().forEach(fault -> text.append("  fault at ").append(fault).append('\n'));
        result.log().forEach(line -> text.append("  ").append(line).append('\n'));
        result.wrong().stream()
                .limit(6)
                .forEach(wrong -> text.append("  ! ").append(wrong).append('\n'));
        return text.toString();
    }

    /// The plan that [#report]'s command stands for.
    ///
    /// @param kept numbers of the faults, `none`, or null for all
    /// @param operations 0 for as many as the seed says
    public static Plan plan(
            long seed, @Nullable Scenario scenario, @Nullable String kept, int operations) {
        Plan plan = Plan.of(seed, scenario);
        if (kept != null) {
            List<Fault> fewer = new ArrayList<>();
            for (String number : kept.equals("none") ? new String[0] : kept.split(",", -1)) {
                fewer.add(plan.faults().get(Integer.parseInt(number)));
            }
            plan = plan.withFaults(fewer);
        }
        return operations == 0 ? plan : plan.withOperations(operations);
    }

    /// By hand: first seed, count, and a scenario.
    public static void main(String[] arguments) {
        long first = Long.parseLong(arguments[0]);
        int count = Integer.parseInt(arguments[1]);
        Scenario scenario = arguments.length > 2 ? Scenario.valueOf(arguments[2]) : null;
        Seeds seeds = new Seeds();
        long began = System.nanoTime();
        long until = began + Long.getLong("chaos.seconds", 100_000) * 1_000_000_000L;
        int done = 0;
        for (long seed = first; seed < first + count && System.nanoTime() < until; seed++, done++) {
            if (!seeds.add(seed, scenario)) {
                System.out.println(seeds.failures.getLast());
                if (Boolean.getBoolean("chaos.stop")) {
                    break;
                }
            }
        }
        seeds.sums.forEach((s, sum) ->
                System.out.printf(
                        "%-12s runs %d bad %d faults %d operations %d stall %d ms%n",
                        s,
                        sum.runs,
                        sum.bad,
                        sum.faults,
                        sum.operations,
                        sum.stallNanos / 1_000_000));
        System.out.printf(
                "%d seeds, %d bad, %.1f s%n",
                done, seeds.failures.size(), (System.nanoTime() - began) / 1e9);
        System.exit(0);
    }
}
