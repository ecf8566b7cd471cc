package io.cistern.chaos;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;

/// `powercut.c`: a library that is preloaded into the nodes notes what their writes replace until
/// they are fsynced, and a program takes a random choice of the others back once the nodes are
/// dead.
final class PowerCut {
    private static final Duration QUICK = Duration.ofSeconds(60);

    private final Path dir;
    private final Path notes;
    private final Path library;
    private final Path program;
    private final Duration slowSync;
    private final boolean names;

    /// Compiles both into `dir`.
    ///
    /// @param slowSync how long a sync of a log waits before it begins
    /// @param names whether names are lost too: of files that were made, renamed or deleted in a
    ///   directory since that was fsynced
    PowerCut(Path dir, Duration slowSync, boolean names) throws IOException, InterruptedException {
        this.dir = dir;
        this.slowSync = slowSync;
        this.names = names;
        library = Programs.compile(dir, "powercut.c", "powercut.so", "-shared", "-fPIC");
        program = Programs.compile(dir, "powercut.c", "powercut", "-DUNDO");
        notes = Files.createDirectory(dir.resolve("notes"));
    }

    /// What the nodes' processes need; their home is `home` in the same directory.
    Map<String, String> environment() {
        return Map.of(
                "LD_PRELOAD", library.toString(),
                "POWERCUT_PREFIX", dir.resolve("home/n").toString(),
                "POWERCUT_NOTES", notes.toString(),
                "POWERCUT_SLOW_MS", Long.toString(slowSync.toMillis()),
                "POWERCUT_NAMES", names ? "1" : "0");
    }

    /// Takes back what the dead nodes had not fsynced.
    ///
    /// @param prefix of the paths of their files
    /// @return how many writes were lost, at least in part
    int forget(Random random, Path prefix) throws IOException, InterruptedException {
        String output =
                Programs.run(
                                dir,
                                QUICK,
                                List.of(
                                        program.toString(),
                                        notes.toString(),
                                        Integer.toString(random.nextInt(1 << 30)),
                                        prefix.toString()))
                        .succeeded()
                        .output();
        System.out.print(output);
        return Integer.parseInt(output.strip().substring(output.strip().lastIndexOf(' ') + 1));
    }
}
