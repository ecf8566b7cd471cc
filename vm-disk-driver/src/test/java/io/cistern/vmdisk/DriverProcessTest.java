package io.cistern.vmdisk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.cistern.block.CisternException;
import io.cistern.storage.Command.AttachMode;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The driver as a process: what its clients see when it is killed, stopped and started again.
@Timeout(100)
class DriverProcessTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    @TempDir Path directory = Path.of("");

    private Path home = Path.of("");
    private DriverClient client = new DriverClient(Path.of("/"));
    private List<String> command = List.of();
    private Path socket = Path.of("");

    @BeforeEach
    void start() throws IOException {
        Path data = Files.createDirectory(directory.resolve("data"));
        FileVolumes.create(data, "v1", 64 << 20);
        FileVolumes.create(data, "v2", 1 << 20);
        home = directory.resolve("home");
        client = new DriverClient(home);
        command =
                List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-XX:TieredStopAtLevel=1",
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow",
                        "-cp",
                        System.getProperty("java.class.path"),
                        FileDriverMain.class.getName(),
                        home.toString(),
                        data.toString());
        client.ensureRunning(command, PATIENCE);
        socket = Path.of(client.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null).socket());
    }

    @AfterEach
    void stop() {
        if (client.running()) {
            assertThat(client.stop(PATIENCE)).isTrue();
        }
    }

    /// @return the process that was
    private long kill() throws Exception {
        ProcessHandle process = ProcessHandle.of(client.pid()).orElseThrow();
        process.destroyForcibly();
        process.onExit().get(20, TimeUnit.SECONDS);
        return process.pid();
    }

    private String image() {
        return "driver=nbd,server.type=unix,server.path="
                + socket
                + ",export=v1,reconnect-delay=60";
    }

    @Test
    void ensureRunningStartsOneDriverOnly() {
        long pid = client.pid();
        client.ensureRunning(command, PATIENCE);
        assertThat(client.pid()).isEqualTo(pid);
    }

    @Test
    void aDriverThatDoesNotStartSaysWhy() {
        DriverClient other = new DriverClient(directory.resolve("other"));
        try {
            other.ensureRunning(List.of("/bin/sh", "-c", "echo no luck"), Duration.ofSeconds(1));
        } catch (CisternException e) {
            assertThat(e).hasMessageContaining("no luck");
            return;
        }
        throw new AssertionError("a shell is no driver");
    }

    /// Nobody starts it but its supervisor; what was taken over meanwhile stays with the other, and
    /// who waits at the socket is told.
    @Test
    void aKilledDriverComesBackByItselfAndTakesNothingBack() throws Exception {
        client.attach("v2", AttachMode.EXCLUSIVE, Transport.NBD, directory.resolve("v2.nbd"));
        long before = client.pid();
        ProcessHandle.of(before).orElseThrow().destroyForcibly();
        new FileVolumes(directory.resolve("data")).takeOver("v2");
        await().until(() -> client.running() && client.pid() != before);
        assertThat(client.list())
                .extracting(AttachmentView::volume, AttachmentView::state)
                .containsExactly(
                        org.assertj.core.api.Assertions.tuple("v1", "open"),
                        org.assertj.core.api.Assertions.tuple("v2", "ended"));
        Tool.Result refused =
                Tool.run(
                        "qemu-io",
                        "-f",
                        "raw",
                        "-c",
                        "write 0 4k",
                        "nbd+unix:///v2?socket=" + directory.resolve("v2.nbd"));
        assertThat(refused.output()).contains("write failed: Operation not permitted");
        Tool.run("qemu-io", "-f", "raw", "-c", "write 0 4k", "nbd+unix:///v1?socket=" + socket)
                .succeeded();
    }

    @Test
    void aStoppedDriverStaysStopped() throws Exception {
        long pid = client.pid();
        assertThat(client.stop(PATIENCE)).isTrue();
        await().until(() ->
                ProcessHandle.allProcesses()
                        .filter(p -> p.pid() != ProcessHandle.current().pid())
                        .noneMatch(
                                p -> p.info().commandLine().orElse("").contains(home.toString())));
        assertThat(client.running()).isFalse();
        client.ensureRunning(command, PATIENCE);
        assertThat(client.pid()).isNotEqualTo(pid);
    }

    /// QEMU's block layer writes without pause while the driver is killed and comes back: it waits,
    /// repeats what was not answered, and sees no error.
    @Test
    void qemuWritesThroughSigkill() throws Exception {
        Path log = directory.resolve("bench.log");
        Process bench =
                Tool.start(
                        log,
                        List.of(
                                "qemu-img",
                                "bench",
                                "-w",
                                "-c",
                                "60000",
                                "-d",
                                "16",
                                "-s",
                                "4096",
                                "--pattern=90",
                                "--image-opts",
                                image()));
        for (int i = 0; i < 3; i++) {
            await().until(() -> writes() > 1000);
            long killed = kill();
            await().until(() -> client.running() && client.pid() != killed);
        }
        assertThat(bench.waitFor(80, TimeUnit.SECONDS)).as(Files.readString(log)).isTrue();
        assertThat(bench.exitValue()).as(Files.readString(log)).isZero();
        String output =
                Tool.run(
                                "qemu-io",
                                "-f",
                                "raw",
                                "-c",
                                "read -P 90 0 64M",
                                "nbd+unix:///v1?socket=" + socket)
                        .succeeded()
                        .output();
        assertThat(output).doesNotContain("failed");
    }

    private long writes() {
        var metrics = client.list().get(0).metrics();
        return metrics == null ? 0 : metrics.writes();
    }

    /// The same for an orderly stop, with the client idle at the time.
    @Test
    void qemuDoesNotNoticeAnOrderlyRestart() throws Exception {
        Path log = directory.resolve("io.log");
        Process io =
                new ProcessBuilder("/usr/bin/qemu-io", "--image-opts", image())
                        .redirectErrorStream(true)
                        .redirectOutput(log.toFile())
                        .start();
        try (BufferedWriter in =
                new BufferedWriter(
                        new OutputStreamWriter(io.getOutputStream(), StandardCharsets.UTF_8))) {
            say(in, "write -P 7 1M 64k");
            await().until(() -> count(log, "wrote 65536/65536") == 1);
            assertThat(client.stop(PATIENCE)).isTrue();
            assertThat(Files.exists(socket)).isFalse();
            say(in, "read -P 7 1M 64k");
            client.ensureRunning(command, PATIENCE);
            await().until(() -> count(log, "read 65536/65536") == 1);
            say(in, "write -P 8 1M 64k");
            await().until(() -> count(log, "wrote 65536/65536") == 2);
            say(in, "quit");
        }
        assertThat(io.waitFor(20, TimeUnit.SECONDS)).isTrue();
        assertThat(Files.readString(log)).doesNotContain("failed").doesNotContain("rror");
    }

    @Test
    void sigtermAnswersAndKeepsTheAttachment() throws Exception {
        ProcessHandle process = ProcessHandle.of(client.pid()).orElseThrow();
        try (NbdClient nbd = NbdClient.go(socket, true)) {
            nbd.send(0, NbdProtocol.CMD_WRITE, 1, 0, 1, (byte) 5);
            assertThat(nbd.reply(0).error()).isZero();
            assertThat(process.destroy()).isTrue();
            assertThat(nbd.ended()).isTrue();
        }
        process.onExit().get(20, TimeUnit.SECONDS);
        client.ensureRunning(command, PATIENCE);
        try (NbdClient nbd = NbdClient.go(socket, false)) {
            nbd.send(0, NbdProtocol.CMD_READ, 1, 0, 1);
            assertThat(nbd.reply(1).payload()).containsExactly(5);
        }
    }

    private static void say(BufferedWriter in, String line) throws IOException {
        in.write(line + "\n");
        in.flush();
    }

    private static int count(Path log, String text) throws IOException {
        return Files.readString(log).split(text, -1).length - 1;
    }
}
