package io.cistern.vmdisk;

import static io.cistern.vmdisk.NbdProtocol.CMD_READ;
import static io.cistern.vmdisk.NbdProtocol.CMD_WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.cistern.block.CisternException;
import io.cistern.block.MemoryBlockDevice;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Clients that break the protocol, stop or vanish harm nobody but themselves.
@Timeout(60)
class NbdRobustnessTest {
    private static final int SIZE = 64 << 20;

    private MemoryBlockDevice device = new MemoryBlockDevice(SIZE);
    private Served served;

    @BeforeEach
    void open() throws IOException {
        device = new MemoryBlockDevice(SIZE);
        served = new Served(device, false, new NbdLimits(8, 64, 48 << 20, 1_000));
    }

    @AfterEach
    void nothingIsLeftBehind() throws IOException {
        try (NbdClient client = NbdClient.go(served.socket(), true)) {
            assertThat(client.ask(0, CMD_READ, 0, 4096)).isZero();
        }
        await().until(() -> served.server.metrics().connections() == 0);
        served.close();
        assertThat(served.pool.bytesInUse()).isZero();
        await().until(() ->
                Thread.getAllStackTraces().keySet().stream()
                        .noneMatch(t -> t.getName().startsWith("nbd-disk")));
    }

    @Test
    void garbageClosesTheConnection() throws IOException {
        long seed = System.nanoTime();
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        for (int i = 0; i < 200; i++) {
            byte[] garbage = new byte[1 + random.nextInt(3000)];
            random.nextBytes(garbage);
            boolean afterHandshake = random.nextBoolean();
            try (NbdClient client =
                    afterHandshake
                            ? NbdClient.go(served.socket(), random.nextBoolean())
                            : new NbdClient(served.socket())) {
                client.out.write(garbage);
                client.channel.shutdownOutput();
                // Returns only when the server has closed the connection.
                assertThat(client.in.readAllBytes()).hasSizeLessThan(10_000);
            } catch (IOException e) {
                // The server may close before all of the garbage is written or read.
                assertThat(e.getMessage()).containsAnyOf("Broken pipe", "Connection reset");
            }
        }
    }

    @Test
    void aSilentClientIsClosedAfterTheHandshakeTimeout() throws IOException {
        try (NbdClient silent = new NbdClient(served.socket())) {
            assertThat(silent.ended()).isTrue();
        }
        assertThat(served.server.metrics().protocolErrors()).isEqualTo(1);
    }

    @Test
    void aSlowClientIsNotClosedOnceItHasChosen() throws Exception {
        try (NbdClient client = NbdClient.go(served.socket(), true);
                NbdClient silent = new NbdClient(served.socket())) {
            assertThat(silent.ended()).isTrue();
            assertThat(client.ask(0, CMD_READ, 0, 512)).isZero();
        }
    }

    @Test
    void tooManyClientsAreTurnedAway() throws IOException {
        List<NbdClient> clients = new ArrayList<>();
        try {
            for (int i = 0; i < 8; i++) {
                clients.add(NbdClient.go(served.socket(), true));
            }
            assertThatThrownBy(() -> new NbdClient(served.socket()))
                    .isInstanceOf(IOException.class);
            assertThat(served.server.metrics().refused()).isEqualTo(1);
        } finally {
            for (NbdClient client : clients) {
                client.close();
            }
        }
        await().until(() -> served.server.metrics().connections() == 0);
    }

    @Test
    void aClientThatStopsReadingStopsOnlyItself() throws Exception {
        device.write(0, ByteBuffer.wrap(new byte[] {1})).join();
        try (NbdClient stuck = NbdClient.go(served.socket(), true);
                NbdClient other = NbdClient.go(served.socket(), true)) {
            Thread sender =
                    Thread.ofVirtual()
                            .start(() -> {
                                try {
                                    while (true) {
                                        stuck.send(0, CMD_READ, 1, 0, 1 << 20);
                                    }
                                } catch (IOException e) {
                                    // Its socket was closed, as the test wants.
                                }
                            });
            // The server stops taking requests: the sender gets stuck in turn.
            AtomicLong last = new AtomicLong();
            await().pollInterval(Duration.ofMillis(20))
                    .during(Duration.ofMillis(200))
                    .until(() -> {
                        long reads = served.server.metrics().reads();
                        return reads > 0 && last.getAndSet(reads) == reads;
                    });
            assertThat(served.pool.bytesInUse()).isLessThan(80 << 20);
            assertThat(other.ask(0, CMD_READ, 0, 4096)).isZero();
            stuck.close();
            sender.join();
        }
    }

    @Test
    void theSameWithRepliesOfAnotherThread() throws Exception {
        device.write(0, ByteBuffer.wrap(new byte[] {1})).join();
        LinkedBlockingQueue<CompletableFuture<Void>> queue = new LinkedBlockingQueue<>();
        device.gate((operation, offset, length) -> {
            CompletableFuture<Void> future = new CompletableFuture<>();
            queue.add(future);
            return future;
        });
        Thread completer =
                Thread.ofPlatform()
                        .start(() -> {
                            try {
                                while (true) {
                                    queue.take().complete(null);
                                }
                            } catch (InterruptedException e) {
                                Thread.currentThread().interrupt();
                            }
                        });
        aClientThatStopsReadingStopsOnlyItself();
        device.gate(null);
        await().until(() -> served.server.metrics().connections() == 0);
        completer.interrupt();
        completer.join();
        queue.forEach(future -> future.complete(null));
    }

    @Test
    void writesThatHaveArrivedAreDoneThoughTheClientVanishes() throws Exception {
        List<CompletableFuture<Void>> held = held();
        device.gate((operation, offset, length) -> {
            CompletableFuture<Void> future = new CompletableFuture<>();
            held.add(future);
            return future;
        });
        NbdClient client = NbdClient.go(served.socket(), true);
        for (int i = 0; i < 10; i++) {
            client.send(0, CMD_WRITE, i, i, 1, (byte) (i + 1));
        }
        client.send(0, CMD_WRITE, 11, 100, 1 << 20, new byte[4000]);
        await().until(() -> held.size() == 10);
        client.close();
        await().until(() -> served.server.metrics().connections() == 0);
        held.forEach(future -> future.complete(null));
        device.gate(null);
        ByteBuffer read = ByteBuffer.allocate(12);
        device.read(0, read).join();
        for (int i = 0; i < 10; i++) {
            assertThat(read.get(i)).isEqualTo((byte) (i + 1));
        }
        assertThat(read.get(11)).isZero();
        await().until(() -> served.pool.bytesInUse() == 0);
    }

    private static List<CompletableFuture<Void>> held() {
        return java.util.Collections.synchronizedList(new ArrayList<>());
    }

    @Test
    void disconnectWaitsForRequestsUnderWay() throws Exception {
        CompletableFuture<Void> slow = new CompletableFuture<>();
        device.gate((operation, offset, length) -> slow);
        try (NbdClient client = NbdClient.go(served.socket(), true)) {
            client.send(0, CMD_WRITE, 1, 0, 1, (byte) 1);
            client.send(0, NbdProtocol.CMD_DISC, 2, 0, 0);
            await().until(() -> served.server.metrics().writes() == 1);
            slow.complete(null);
            assertThat(client.reply(0).cookie()).isEqualTo(1);
            assertThat(client.ended()).isTrue();
        }
        device.gate(null);
    }

    @Test
    void closingTheServerAnswersWhatIsUnderWay() throws Exception {
        CompletableFuture<Void> slow = new CompletableFuture<>();
        try (Served own = new Served(device, false, NbdLimits.DEFAULT);
                NbdClient client = NbdClient.go(own.socket(), true)) {
            device.gate((operation, offset, length) -> slow);
            client.send(0, CMD_WRITE, 1, 0, 1, (byte) 1);
            await().until(() -> own.server.metrics().writes() == 1);
            Thread closer = Thread.ofVirtual().start(own.server::close);
            await().until(() -> !Files.exists(own.socket()));
            slow.complete(null);
            assertThat(client.reply(0).error()).isZero();
            assertThat(client.ended()).isTrue();
            closer.join();
        }
        device.gate(null);
    }

    @Test
    void theSocketIsForItsOwnerOnly() throws IOException {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(served.socket())))
                .isEqualTo("rw-------");
    }

    @Test
    void aSocketInUseIsNotTakenAndAStaleOneIsReplaced() throws IOException {
        Export export = new Export("disk", device, false);
        assertThatThrownBy(() ->
                        NbdServer.open(export, served.socket(), served.pool, NbdLimits.DEFAULT))
                .isInstanceOf(CisternException.class)
                .hasMessageContaining("already answers");
        Path file = Files.writeString(served.file("text"), "precious");
        assertThatThrownBy(() -> NbdServer.open(export, file, served.pool, NbdLimits.DEFAULT))
                .hasMessageContaining("not a socket");
        assertThat(file).hasContent("precious");
        Path stale = served.file("stale");
        try (var abandoned =
                java.nio.channels.ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX)) {
            abandoned.bind(java.net.UnixDomainSocketAddress.of(stale));
        }
        assertThat(Files.exists(stale)).isTrue();
        try (NbdServer again = NbdServer.open(export, stale, served.pool, NbdLimits.DEFAULT);
                NbdClient client = NbdClient.go(again.socket(), true)) {
            assertThat(client.ask(0, CMD_READ, 0, 1)).isZero();
        }
        Path tooLong = served.file("x".repeat(120));
        assertThatThrownBy(() -> NbdServer.open(export, tooLong, served.pool, NbdLimits.DEFAULT))
                .hasMessageContaining("107");
        Path nowhere = served.file("no/such/dir");
        assertThatThrownBy(() -> NbdServer.open(export, nowhere, served.pool, NbdLimits.DEFAULT))
                .isInstanceOf(CisternException.class);
    }

    @Test
    void aPoolThatIsUsedUpRefusesRequestsAndKeepsTheConnection() throws IOException {
        BufferPool small = new BufferPool(2 << 20);
        Path socket = served.file("small");
        try (NbdServer server =
                        NbdServer.open(
                                new Export("disk", device, false),
                                socket,
                                small,
                                NbdLimits.DEFAULT);
                NbdClient client = NbdClient.go(socket, true)) {
            client.send(0, CMD_WRITE, 1, 0, 4 << 20, new byte[4 << 20]);
            assertThat(client.reply(0).error()).isEqualTo(NbdProtocol.ENOMEM);
            assertThat(client.ask(0, CMD_READ, 0, 4 << 20)).isEqualTo(NbdProtocol.ENOMEM);
            assertThat(client.ask(0, CMD_READ, 0, 4096)).isZero();
            assertThat(server.metrics().errors()).isEqualTo(2);
        }
        await().until(() -> small.bytesInUse() == 0);
    }
}
