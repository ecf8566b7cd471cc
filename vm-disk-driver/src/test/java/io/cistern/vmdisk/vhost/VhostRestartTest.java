package io.cistern.vmdisk.vhost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.cistern.storage.Command.AttachMode;
import io.cistern.vmdisk.DriverClient;
import io.cistern.vmdisk.Transport;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The driver's process is killed again and again while a guest writes and reads: nothing fails,
/// nothing is lost, nothing is answered twice.
///
/// `-Dcistern.kills=N` kills it N times.
@Timeout(400)
class VhostRestartTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int KILLS = Integer.getInteger("cistern.kills", 4);
    private static final int SLOTS = 64;
    private static final int BLOCK = 4096;

    @TempDir Path directory = Path.of("");

    @Test
    void killsUnderLoadLoseNothing() throws Exception {
        Path data = Files.createDirectory(directory.resolve("data"));
        try (FileChannel file =
                FileChannel.open(
                        data.resolve("v1"),
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.allocate(1), SLOTS * (long) BLOCK - 1);
        }
        DriverClient client = new DriverClient(directory.resolve("home"));
        List<String> command =
                List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-XX:TieredStopAtLevel=1",
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow",
                        "-cp",
                        System.getProperty("java.class.path"),
                        "io.cistern.vmdisk.FileDriverMain",
                        directory.resolve("home").toString(),
                        data.toString());
        client.ensureRunning(command, PATIENCE);
        try {
            Path socket =
                    Path.of(
                            client.attach("v1", AttachMode.EXCLUSIVE, Transport.VHOST_USER, null)
                                    .socket());
            try (FrontEnd front = new FrontEnd(FrontEnd.Options.of(1, SLOTS, BLOCK))) {
                new Load(front, socket).run(client);
            }
        } finally {
            assertThat(client.stop(PATIENCE)).isTrue();
        }
    }

    /// Each slot writes and reads a block of its own and knows what must be in it.
    private static final class Load {
        private final FrontEnd front;
        private final Path socket;
        private final long seed = System.nanoTime();
        private final Random random = new Random(seed);
        private final byte[] model = new byte[SLOTS];
        private final byte[] expected = new byte[SLOTS];
        private final boolean[] writes = new boolean[SLOTS];
        private final boolean[] busy = new boolean[SLOTS];
        private long answered;

        Load(FrontEnd front, Path socket) {
            this.front = front;
            this.socket = socket;
        }

        void run(DriverClient client) throws Exception {
            front.connect(socket);
            for (int kill = 0; kill < KILLS; kill++) {
                step(answered + 2_000 + random.nextInt(3_000));
                ProcessHandle process = ProcessHandle.of(client.pid()).orElseThrow();
                Thread killer =
                        Thread.ofVirtual()
                                .start(() -> {
                                    process.destroyForcibly();
                                });
                // Goes on while the process dies.
                while (process.isAlive()) {
                    submit();
                    take();
                }
                killer.join();
                while (take()) {
                    Thread.onSpinWait();
                }
                reconnect();
            }
            step(answered + 2_000);
            while (inFlight()) {
                if (!take()) {
                    front.ring(0).await(10_000);
                }
            }
        }

        private void step(long until) throws IOException {
            long end = System.nanoTime() + 30_000_000_000L;
            while (answered < until) {
                submit();
                if (!take() && !front.ring(0).await(1_000)) {
                    assertThat(System.nanoTime()).as("seed %s: no answers", seed).isLessThan(end);
                }
            }
        }

        private boolean inFlight() {
            for (boolean one : busy) {
                if (one) {
                    return true;
                }
            }
            return false;
        }

        private void submit() {
            int slot = random.nextInt(SLOTS);
            if (busy[slot]) {
                return;
            }
            writes[slot] = random.nextBoolean();
            expected[slot] = writes[slot] ? (byte) random.nextInt(256) : model[slot];
            byte[] bytes = new byte[BLOCK];
            Arrays.fill(bytes, writes[slot] ? expected[slot] : (byte) ~expected[slot]);
            front.memory().copyIn(front.ring(0).dataAt(slot), ByteBuffer.wrap(bytes));
            busy[slot] = true;
            front.ring(0).submit(slot, writes[slot] ? Job.OUT : Job.IN, slot * 8L, BLOCK);
            front.ring(0).kick();
        }

        private boolean take() {
            int slot = front.ring(0).poll();
            if (slot < 0) {
                return false;
            }
            assertThat(busy[slot]).as("seed %s: answered once", seed).isTrue();
            assertThat(front.ring(0).status(slot)).as("seed %s", seed).isZero();
            ByteBuffer out = ByteBuffer.allocate(BLOCK);
            front.memory().copyOut(front.ring(0).dataAt(slot), out);
            assertThat(out.array()).as("seed %s", seed).containsOnly(expected[slot]);
            model[slot] = expected[slot];
            busy[slot] = false;
            answered++;
            return true;
        }

        /// As QEMU does with `reconnect=1`: the driver is started again by its supervisor.
        private void reconnect() {
            await().atMost(PATIENCE)
                    .pollInterval(Duration.ofMillis(50))
                    .ignoreExceptionsInstanceOf(IOException.class)
                    .until(() -> {
                        front.connect(socket);
                        return true;
                    });
        }
    }
}
