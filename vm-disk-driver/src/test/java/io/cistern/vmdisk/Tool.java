package io.cistern.vmdisk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// Programs of the system that tests drive. One that is missing fails the test with the name of the
/// Debian package that has it; none is ever skipped.
final class Tool {
    private static final Map<String, String> PACKAGES =
            Map.of(
                    "nbdinfo", "libnbd-bin",
                    "nbdcopy", "libnbd-bin",
                    "qemu-img", "qemu-utils",
                    "qemu-io", "qemu-utils",
                    "qemu-nbd", "qemu-utils",
                    "qemu-storage-daemon", "qemu-system-common",
                    "qemu-system-x86_64", "qemu-system-x86",
                    "fio", "fio",
                    "python3", "python3-libnbd");
    private static final long LIMIT_S = 90;

    private Tool() {}

    record Result(int exit, String output) {
        Result succeeded() {
            assertThat(exit).withFailMessage("exit %s: %s", exit, output).isZero();
            return this;
        }
    }

    /// Starts a program with its output in `log`.
    static Process start(Path log, List<String> command) throws IOException {
        List<String> resolved = new ArrayList<>(command);
        resolved.set(0, resolve(command.get(0)));
        return new ProcessBuilder(resolved)
                .redirectErrorStream(true)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(log.toFile())
                .start();
    }

    /// Runs a program to its end.
    static Result run(String... command) throws IOException, InterruptedException {
        Path log = Files.createTempFile("cistern-tool", ".log");
        try {
            Process process = start(log, List.of(command));
            if (!process.waitFor(LIMIT_S, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
                fail(
                        "%s did not end within %s s: %s",
                        String.join(" ", command), LIMIT_S, Files.readString(log));
            }
            return new Result(process.exitValue(), Files.readString(log));
        } finally {
            Files.delete(log);
        }
    }

    private static String resolve(String name) {
        // Debian's Python has the bindings; another one that comes first on the PATH may not.
        for (String dir : List.of("/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin")) {
            Path path = Path.of(dir, name);
            if (Files.isExecutable(path)) {
                return path.toString();
            }
        }
        return fail("%s is missing: apt-get install %s", name, PACKAGES.getOrDefault(name, name));
    }
}
