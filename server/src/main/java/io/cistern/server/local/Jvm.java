package io.cistern.server.local;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Starts this program's long-running processes: the same Java, the same class path.
public final class Jvm {
    private static final Path SETSID = Path.of("/usr/bin/setsid");

    private static final String CACHE = "daemon.aot";

    private static final List<String> COMMON =
            List.of(
                    "--enable-native-access=ALL-UNNAMED",
                    "--sun-misc-unsafe-memory-access=allow",
                    "-XX:+ExitOnOutOfMemoryError",
                    "-XX:-UsePerfData",
                    // The adaptive allocator does not pool buffers of a MiB, and zeroes each.
                    "-Dio.netty.allocator.type=pooled");

    /// Memory of a process, in MiB.
    public record Memory(int heapMiB, int directMiB) {
        /// One node.
        public static final Memory NODE = new Memory(320, 192);

        /// The driver: its buffers are direct.
        public static final Memory DRIVER = new Memory(192, 320);

        static Memory nodes(int n) {
            return new Memory(NODE.heapMiB * Math.min(n, 3), NODE.directMiB * Math.min(n, 3));
        }
    }

    private Jvm() {}

    /// The command line of a process that runs `cistern ARGUMENTS`.
    public static List<String> command(Memory memory, List<String> arguments) {
        List<String> line = new ArrayList<>();
        line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        line.addAll(COMMON);
        cache().ifPresent(file -> line.add("-XX:AOTCache=" + file));
        // Most of what a write allocates lives as long as its log entry is kept: a young generation
        // several times as large as that lets it die there, uncopied.
        int young = memory.heapMiB * 2 / 5;
        line.add("-Xmn" + young + "m");
        line.add("-XX:SurvivorRatio=4");
        line.add("-Xms" + (young + 48) + "m");
        line.add("-Xmx" + memory.heapMiB + "m");
        line.add("-XX:MaxDirectMemorySize=" + memory.directMiB + "m");
        line.add("-XX:+UseSerialGC");
        String more = System.getenv("CISTERN_NODE_OPTS");
        if (more != null && !more.isBlank()) {
            line.addAll(List.of(more.strip().split("\\s+")));
        }
        line.add("-cp");
        line.add(System.getProperty("java.class.path"));
        line.add("io.cistern.server.Main");
        line.addAll(arguments);
        return List.copyOf(line);
    }

    /// The record of classes and hot methods that the build made beside the jars, if it did. Java
    /// ignores, with a warning, one that is not of its own version and class path.
    private static Optional<Path> cache() {
        String first = System.getProperty("java.class.path").split(File.pathSeparator, 2)[0];
        Path jars = Path.of(first).toAbsolutePath().getParent();
        return Optional.ofNullable(jars)
                .map(folder -> folder.resolveSibling(CACHE))
                .filter(Files::isRegularFile);
    }

    /// Starts a process that outlives this one and its terminal.
    ///
    /// @param output gets what it prints
    static Process start(List<String> command, Path output) {
        try {
            Path folder = output.toAbsolutePath().getParent();
            if (folder != null) {
                Files.createDirectories(folder);
            }
            List<String> line = new ArrayList<>();
            if (Files.isExecutable(SETSID)) {
                line.add(SETSID.toString());
            }
            line.addAll(command);
            return new ProcessBuilder(line)
                    .redirectErrorStream(true)
                    .redirectInput(new File("/dev/null"))
                    .redirectOutput(Redirect.to(output.toFile()))
                    .start();
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot start " + command.getFirst() + ": " + e.getMessage(), e);
        }
    }
}
