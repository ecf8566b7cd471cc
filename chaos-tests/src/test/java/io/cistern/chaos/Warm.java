package io.cistern.chaos;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// What lets the many short-lived processes of the tests start faster: the record of loaded and
/// linked classes that the `cistern` launcher's build makes too, made once from the jars under
/// test. Where they are not jars (a run by an IDE) there is none, and everything works without.
final class Warm {
    private static final int LIMIT_SECONDS = 120;
    private static final String PATH =
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));

    /// The class path of `cistern` and of what it starts: jars only, if all modules are.
    static final String CLASS_PATH = jars().isEmpty() ? PATH : jars();

    private static final @Nullable Path COMMANDS = make("commands", "cli.WarmUp");

    private Warm() {}

    /// Without the folders of these tests; empty where a module is a folder.
    private static String jars() {
        List<String> jars =
                Arrays.stream(PATH.split(File.pathSeparator, -1))
                        .filter(entry -> entry.endsWith(".jar"))
                        .toList();
        boolean all = jars.stream().anyMatch(jar -> jar.matches(".*/server-[^/]*\\.jar"));
        return all ? jars.stream().collect(Collectors.joining(File.pathSeparator)) : "";
    }

    /// Options of a short command.
    static List<String> commandOptions() {
        // A cache that does not fit is ignored: the warning about it would be in the output.
        return COMMANDS == null ? List.of() : List.of("-XX:AOTCache=" + COMMANDS, "-Xlog:disable");
    }

    /// Options of nodes and the driver. They live for a minute: what the second compiler would make
    /// of them comes too late and takes a core meanwhile.
    static String daemonOptions() {
        return "-XX:TieredStopAtLevel=1";
    }

    private static @Nullable Path make(String name, String main, String... arguments) {
        if (jars().isEmpty()) {
            return null;
        }
        try {
            Path folder = Files.createTempDirectory("cistern-warm");
            Path cache = folder.resolve(name + ".aot");
            List<String> line =
                    new ArrayList<>(
                            List.of(
                                    Path.of(System.getProperty("java.home"), "bin", "java")
                                            .toString(),
                                    "-XX:AOTCacheOutput=" + cache));
            line.addAll(LocalCluster.COMMAND_FLAGS);
            line.addAll(List.of("-cp", CLASS_PATH, "io.cistern.server." + main));
            line.addAll(List.of(arguments));
            Process process =
                    new ProcessBuilder(line)
                            .redirectErrorStream(true)
                            .redirectOutput(folder.resolve(name + ".log").toFile())
                            .start();
            boolean made = process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS);
            process.destroyForcibly();
            Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(folder)));
            return made && Files.exists(cache) ? cache : null;
        } catch (IOException e) {
            System.out.println("commands start without a cache: " + e);
            return null;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return null;
        }
    }

    private static void delete(Path folder) {
        File[] files = folder.toFile().listFiles();
        for (File file : files == null ? new File[0] : files) {
            file.delete();
        }
        folder.toFile().delete();
    }
}
