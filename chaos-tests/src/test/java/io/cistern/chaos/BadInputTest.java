package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.cistern.server.cli.Cli;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What users type wrong, and what strangers send: one line that says what is wrong and what to do,
/// the right exit status, and nothing lost.
class BadInputTest {
    private static final int MAX_LINE = 600;

    @TempDir Path dir;
    private LocalCluster cluster;

    @BeforeEach
    void start() throws Exception {
        cluster = LocalCluster.startInOneProcess(dir);
    }

    @AfterEach
    void stop() throws Exception {
        cluster.close();
    }

    private record Ended(int exit, String out, String err) {}

    private Ended run(String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        List<String> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--home", cluster.home().toString()));
        if (!all.contains("--api")) {
            all.addAll(List.of("--api", cluster.api(0)));
        }
        int exit =
                Cli.run(
                        all.toArray(String[]::new),
                        new PrintStream(out, true, StandardCharsets.UTF_8),
                        new PrintStream(err, true, StandardCharsets.UTF_8));
        return new Ended(
                exit, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    /// @param words of the line, separated by `…`
    private void refused(int exit, String words, String command) {
        Ended ended = run(command.split(" "));
        String what = command + ": " + ended;
        assertThat(ended.exit).as(what).isEqualTo(exit);
        assertThat(ended.out).as(what).isEmpty();
        assertThat(ended.err.strip().lines()).as(what).hasSize(1);
        assertThat(ended.err).as(what).startsWith("cistern: ").hasSizeLessThan(MAX_LINE);
        assertThat(ended.err).as(what).doesNotContain("Exception");
        for (String part : words.split("…")) {
            assertThat(ended.err).as(what).contains(part);
        }
    }

    @Test
    void everyMistakeIsExplained() throws Exception {
        assertThat(run("volume", "create", "v1", "64MiB").exit).isZero();
        assertThat(run("snapshot", "create", "v1@s").exit).isZero();
        unknownNames();
        sizes();
        names();
        sockets();
        images();
        disksAndNodes();
        addresses();
        garbage();
        assertThat(run("volume", "list").out).contains("v1").doesNotContain("import-");
        assertThat(run("verify").exit).isZero();
        await().atMost(Duration.ofMinutes(1))
                .untilAsserted(() -> assertThat(run("status").out).contains("health:      ok"));
    }

    private void unknownNames() {
        for (String command :
                List.of(
                        "volume show nope",
                        "volume delete nope",
                        "volume resize nope 1GiB",
                        "volume set nope --iops 5",
                        "volume rename nope other",
                        "volume export nope " + dir.resolve("nope.raw"),
                        "snapshot create nope@s",
                        "snapshot list nope",
                        "clone nope@s other",
                        "detach nope",
                        "scrub nope",
                        "verify nope")) {
            refused(1, "no volume 'nope'", command);
        }
        refused(1, "no snapshot 'v1@nope'", "snapshot rollback v1@nope");
        refused(1, "no snapshot 'v1@nope'", "snapshot delete v1@nope");
        refused(1, "no snapshot 'v1@nope'", "snapshot diff v1@nope v1@s");
        refused(1, "no snapshot 'v1@nope'", "clone v1@nope other");
        refused(1, "no snapshot 'v1@nope'", "volume export v1@nope " + dir.resolve("nope.raw"));
        assertThat(dir.resolve("nope.raw")).doesNotExist();
        refused(1, "no node 'nope'", "node drain nope");
        refused(1, "no node 'nope'", "node remove nope");
        refused(1, "no node 'nope'", "disk add nope /disk");
        refused(1, "no node 'nope'", "disk remove nope/7");
        refused(1, "not attached", "detach v1");
        refused(2, "no command 'bogus'", "bogus");
        refused(2, "no command 'bogus'", "volume bogus");
        refused(2, "'NAME', 'SIZE'", "volume create");
        refused(2, "write VOLUME@SNAPSHOT", "snapshot rollback v1");
    }

    private void sizes() {
        refused(2, "'ten' is not a size", "volume create s ten");
        refused(2, "'-5' is not a size", "volume create s -5");
        refused(1, "multiple of 512", "volume create s 0");
        refused(1, "multiple of 512", "volume create s 1000");
        refused(1, "64 TiB", "volume create s 65TiB");
        refused(1, "cannot shrink", "volume resize v1 32MiB");
        refused(1, "and a witness", "volume create s 1GiB --replicas 2");
        refused(1, "1, 3 or 5", "volume create s 1GiB --replicas 4");
        refused(1, "5 replicas need", "volume create s 1GiB --replicas 5");
        refused(2, "--iops", "volume set v1 --iops -1");
        refused(2, "give --iops", "volume set v1");
    }

    private void names() {
        refused(1, "'v1' exists already", "volume create v1 1GiB");
        refused(1, "'v1' exists already", "clone v1@s v1");
        refused(1, "snapshot 'v1@s' already", "snapshot create v1@s");
        refused(1, "cannot be a volume name", "volume create a@b 1GiB");
        refused(1, "cannot be a volume name", "volume create ../x 1GiB");
        refused(1, "cannot be a volume name", "volume rename v1 UPPER");
    }

    private void sockets() throws IOException {
        Path file = Files.createFile(dir.resolve("file"));
        refused(1, "is not a socket", "attach v1 --socket " + file);
        refused(1, "107", "attach v1 --socket " + dir.resolve("x".repeat(120)));
        refused(2, "not both", "attach v1 --shared --read-only");
        refused(2, "--transport", "attach v1 --transport carrier-pigeon");
        Path busy = dir.resolve("busy.sock");
        try (ServerSocketChannel other = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            other.bind(UnixDomainSocketAddress.of(busy));
            refused(1, "already answers", "attach v1 --socket " + busy);
        }
        Path socket = dir.resolve("v1.sock");
        assertThat(run("attach", "v1", "--socket", socket.toString()).exit).isZero();
        refused(1, "attached", "volume delete v1");
        refused(1, "attached", "snapshot rollback v1@s");
        assertThat(run("detach", "v1").exit).isZero();
    }

    private void images() throws Exception {
        Path empty = Files.createFile(dir.resolve("empty.raw"));
        refused(1, "is empty", "volume import t " + empty);
        refused(1, "no file", "volume import t " + dir.resolve("none.raw"));
        refused(1, "not a regular file", "volume import t " + dir);
        Path raw = NodeKillTest.randomImage(dir.resolve("disk.raw"), 2 << 20);
        Path qcow2 = dir.resolve("disk.qcow2");
        Programs.run(
                        dir,
                        Fio.LIMIT,
                        List.of("qemu-img", "convert", "-O", "qcow2", raw + "", qcow2 + ""))
                .succeeded();
        byte[] whole = Files.readAllBytes(qcow2);
        Path bad = dir.resolve("bad.qcow2");
        Files.write(bad, java.util.Arrays.copyOf(whole, whole.length - (1 << 20)));
        refused(1, "truncated", "volume import t " + bad);
        Files.write(bad, java.util.Arrays.copyOf(whole, 60));
        refused(1, "truncated", "volume import t " + bad);
        byte[] wrong = whole.clone();
        java.util.Arrays.fill(wrong, 40, 48, (byte) 0xff);
        Files.write(bad, wrong);
        refused(1, "damaged qcow2", "volume import t " + bad);
        refused(1, "not a qcow2 image", "volume import t " + raw + " --format qcow2");
        refused(2, "--format", "volume import t " + raw + " --format floppy");
        refused(1, "more than", "volume import t " + raw + " --size 512");
        refused(1, "'v1' exists already", "volume import v1 " + raw);
        refused(1, "exists already", "volume export v1 " + raw);
        refused(1, "no directory", "volume export v1 " + dir.resolve("none/x.raw"));
    }

    private void disksAndNodes() throws IOException {
        Path full = Files.createDirectory(dir.resolve("full"));
        Files.createFile(full.resolve("thesis.txt"));
        refused(1, "not empty…thesis.txt", "disk add n0 " + full);
        assertThat(full.resolve("thesis.txt")).exists();
        refused(1, "not a directory", "disk add n0 /dev/null");
        refused(1, "cannot be created", "disk add n0 /proc/x");
        refused(1, "in use", "disk add n0 " + cluster.disk("n1"));
        refused(2, "PATH must begin with '/'", "disk add n0 relative");
        refused(2, "NODE/NUMBER", "disk remove bogus");
        refused(1, "identity", "disk remove n0/0");
        refused(1, "add a node first", "node drain n0");
        refused(1, "not a join token", "node add --join garbage");
        assertThat(cluster.home().resolve("n3")).doesNotExist();
        refused(1, "not 5", "start --nodes 5");
        refused(2, "--nodes", "start --nodes 77");
    }

    private void addresses() {
        refused(1, "no Cistern node answers", "status --api http://127.0.0.1:1");
        refused(1, "not an API address", "status --api nonsense");
        refused(2, "--output", "status -o yaml");
        refused(1, "token file", "status --token-file " + dir.resolve("none"));
        refused(1, "certificate file", "status --ca-file " + dir.resolve("none"));
    }

    /// On every TCP port of a node: bytes that mean nothing, half a message, and a client that says
    /// much and reads nothing.
    private void garbage() throws IOException {
        long seed = System.nanoTime();
        System.out.println("garbage seed " + seed);
        Random random = new Random(seed);
        int base = java.net.URI.create(cluster.api(0)).getPort();
        for (int port = base; port < base + 3; port++) {
            byte[] bytes = new byte[64 << 10];
            random.nextBytes(bytes);
            send(port, bytes);
            send(port, "GET /v1/status HT".getBytes(StandardCharsets.US_ASCII));
            send(port, new byte[] {0});
            deaf(port);
        }
        try (ServerSocket free = new ServerSocket(0)) {
            assertThat(free.getLocalPort()).as("this machine still has sockets").isPositive();
        }
    }

    private static void send(int port, byte[] bytes) throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress("127.0.0.1", port), 5000);
            socket.setSoTimeout(20_000);
            socket.getOutputStream().write(bytes);
            socket.shutdownOutput();
            socket.getInputStream().readAllBytes();
        } catch (java.net.SocketException hungUp) {
            System.out.println(port + ": " + hungUp.getMessage()); // as it should
        }
    }

    /// Many requests in a row without reading an answer: it is hung up on, or made to wait.
    private static void deaf(int port) throws IOException {
        byte[] request =
                "GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                        .getBytes(StandardCharsets.US_ASCII);
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress("127.0.0.1", port), 5000);
            socket.setSendBufferSize(16 << 10);
            for (int i = 0; i < 100; i++) {
                socket.getOutputStream().write(request);
            }
        } catch (java.net.SocketException hungUp) {
            System.out.println(port + ": " + hungUp.getMessage()); // as it should
        }
    }
}
