package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// Programs of the system that tests drive. One that is missing fails the test with the name of the
/// Debian package that has it; none is ever skipped.
final class Programs {
    private static final Map<String, String> PACKAGES =
            Map.ofEntries(
                    Map.entry("nbdcopy", "libnbd-bin"),
                    Map.entry("nbdinfo", "libnbd-bin"),
                    Map.entry("qemu-img", "qemu-utils qemu-block-extra"),
                    Map.entry("qemu-io", "qemu-utils qemu-block-extra"),
                    Map.entry("qemu-nbd", "qemu-utils qemu-block-extra"),
                    Map.entry("qemu-system-x86_64", "qemu-system-x86"),
                    Map.entry("iscsi-ls", "libiscsi-bin"),
                    Map.entry("iscsi-inq", "libiscsi-bin"),
                    Map.entry("iscsi-test-cu", "libiscsi-bin"),
                    Map.entry("fio", "fio"),
                    Map.entry("openssl", "openssl"),
                    Map.entry("bash", "bash"),
                    Map.entry("gcc", "gcc"),
                    Map.entry("ip", "iproute2"),
                    Map.entry("nfs-ls", "libnfs-utils"),
                    Map.entry("nfs-cp", "libnfs-utils"),
                    Map.entry("nfs-cat", "libnfs-utils"));

    private Programs() {}

    record Result(int exit, String output) {
        Result succeeded() {
            assertThat(exit).withFailMessage("exit %s: %s", exit, output).isZero();
            return this;
        }
    }

    /// A program that runs beside the test. Closing it kills it.
    record Running(String line, Process process, Path log) implements AutoCloseable {
        boolean alive() {
            return process.isAlive();
        }

        /// Waits for its end, at most `limit`.
        Result end(Duration limit) throws IOException, InterruptedException {
            if (!process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS)) {
                close();
                fail("%s did not end within %s: %s", line, limit, Files.readString(log));
            }
            return new Result(process.exitValue(), Files.readString(log));
        }

        @Override
        public void close() throws InterruptedException {
            process.destroyForcibly().waitFor();
        }
    }

    /// Builds one of this module's C sources as `name` in `dir`.
    static Path compile(Path dir, String source, String name, String... flags)
            throws IOException, InterruptedException {
        Path target = dir.resolve(name);
        Path from = Path.of(System.getProperty("cistern.repo"), "chaos-tests/src/test/c", source);
        List<String> line = new ArrayList<>(List.of("gcc", "-O1", "-w"));
        line.addAll(List.of(flags));
        line.addAll(List.of("-o", target.toString(), from.toString(), "-ldl"));
        run(dir, Duration.ofSeconds(60), line).succeeded();
        return target;
    }

    /// Starts a program with its output in a file in `dir`.
    static Running start(Path dir, List<String> command) throws IOException {
        return start(dir, command, Map.of());
    }

    static Running start(Path dir, List<String> command, Map<String, String> environment)
            throws IOException {
        Path log = Files.createTempFile(dir, "program", ".log");
        List<String> resolved = new ArrayList<>(command);
        resolved.set(0, resolve(command.getFirst()));
        ProcessBuilder builder =
                new ProcessBuilder(resolved)
                        .redirectErrorStream(true)
                        .redirectInput(new File("/dev/null"))
                        .redirectOutput(log.toFile());
        builder.environment().putAll(environment);
        return new Running(String.join(" ", command), builder.start(), log);
    }

    /// Runs a program to its end.
    static Result run(Path dir, Duration limit, List<String> command)
            throws IOException, InterruptedException {
        return start(dir, command).end(limit);
    }

    private static String resolve(String name) {
        if (name.startsWith("/")) {
            return name;
        }
        for (String dir : List.of("/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/sbin")) {
            Path path = Path.of(dir, name);
            if (Files.isExecutable(path)) {
                return path.toString();
            }
        }
        return fail("%s is missing: apt-get install %s", name, PACKAGES.getOrDefault(name, name));
    }
}
