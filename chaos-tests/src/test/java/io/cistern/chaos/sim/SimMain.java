package io.cistern.chaos.sim;

import io.cistern.chaos.sim.SimRun.Plan;
import io.cistern.chaos.sim.SimRun.Result;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Runs seeds by hand.
public final class SimMain {
    private SimMain() {}

    /// @param arguments first seed, count, and `log` to see what happened
    public static void main(String[] arguments) throws IOException {
        long first = Long.parseLong(arguments[0]);
        int count = Integer.parseInt(arguments[1]);
        boolean log = arguments.length > 2;
        long began = System.nanoTime();
        int bad = 0;
        for (long seed = first; seed < first + count; seed++) {
            Path root = directory();
            Result result = SimRun.run(Plan.of(seed, null), root);
            if (log) {
                Plan.of(seed, null).faults().forEach(System.out::println);
                result.log().forEach(System.out::println);
            }
            if (!result.clean() || log) {
                bad += result.clean() ? 0 : 1;
                System.out.println(
                        "seed "
                                + seed
                                + " "
                                + Plan.of(seed, null).scenario()
                                + " digest "
                                + Long.toHexString(result.digest())
                                + " ops "
                                + result.operations()
                                + " events "
                                + result.events()
                                + " registers "
                                + result.registers());
                result.wrong().stream().limit(8).forEach(w -> System.out.println("  ! " + w));
            }
        }
        System.out.printf(
                "%d seeds, %d bad, %.1f s%n", count, bad, (System.nanoTime() - began) / 1e9);
        System.exit(0);
    }

    static Path directory() throws IOException {
        Path memory = Path.of("/dev/shm");
        return Files.isWritable(memory)
                ? Files.createTempDirectory(memory, "cistern-sim")
                : Files.createTempDirectory("cistern-sim");
    }
}
