package io.cistern.vmdisk;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The shell that runs a home's driver, and runs it again at once when it was killed: clients that
/// connect anew see only a pause. It takes about a megabyte; a second JVM would take fifty.
///
/// It ends with a driver that stopped in order (by `stop`, SIGTERM or SIGINT), with one that found
/// another driver in its home, and where the file `stopped` lies in the home.
final class Supervisor {
    private static final Path SETSID = Path.of("/usr/bin/setsid");
    private static final String SCRIPT = "supervise.sh";

    private final Path home;

    Supervisor(Path home) {
        this.home = home;
    }

    /// Starts it, with a driver of that command, as a session of its own.
    ///
    /// @param log gets what both print
    void start(List<String> command, Path log) throws IOException {
        Files.createDirectories(home);
        Files.deleteIfExists(stopped());
        Path script = home.resolve(SCRIPT);
        try (InputStream text = Supervisor.class.getResourceAsStream(SCRIPT)) {
            if (text == null) {
                throw new IOException(SCRIPT + " is missing from this build");
            }
            Files.write(script, text.readAllBytes());
        }
        List<String> line = new ArrayList<>();
        if (Files.isExecutable(SETSID)) {
            line.add(SETSID.toString());
        }
        line.addAll(List.of("/bin/sh", script.toString(), home.toString()));
        line.addAll(command);
        new ProcessBuilder(line)
                .redirectErrorStream(true)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                .start();
    }

    /// Keeps it from starting the driver again.
    void stop() throws IOException {
        if (Files.isDirectory(home) && !Files.exists(stopped())) {
            Files.createFile(stopped());
        }
    }

    private Path stopped() {
        return home.resolve("stopped");
    }
}
