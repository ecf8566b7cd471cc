package io.cistern.iscsi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Programs of the system that tests drive. One that is missing fails the test with the name of the
/// Debian package that has it; none is ever skipped.
final class Tool {
    private static final long LIMIT_S = 90;

    private Tool() {}

    record Result(int exit, String output) {
        Result succeeded() {
            assertThat(exit).withFailMessage("exit %s: %s", exit, output).isZero();
            return this;
        }

        Result failed() {
            assertThat(exit).withFailMessage("should fail: %s", output).isNotZero();
            return this;
        }
    }

    /// Runs a program to its end.
    static Result run(String... command) throws IOException, InterruptedException {
        List<String> resolved = new ArrayList<>(List.of(command));
        resolved.set(0, resolve(command[0]));
        Path log = Files.createTempFile("cistern-tool", ".log");
        try {
            Process process =
                    new ProcessBuilder(resolved)
                            .redirectErrorStream(true)
                            .redirectInput(new File("/dev/null"))
                            .redirectOutput(log.toFile())
                            .start();
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
        for (String dir : List.of("/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin")) {
            Path path = Path.of(dir, name);
            if (Files.isExecutable(path)) {
                return path.toString();
            }
        }
        String bought = name.startsWith("iscsi-") ? "libiscsi-bin" : "qemu-utils qemu-block-extra";
        return fail("%s is missing: apt-get install %s", name, bought);
    }
}
