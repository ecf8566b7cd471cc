package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Three node processes with mutual TLS between them and an API with TLS and a token, as an
/// administrator configures them, and those who must not get in.
class SecureClusterTest {
    private static final Duration LIMIT = Duration.ofMinutes(2);
    private static final String TOKEN = "a-token-that-nobody-guesses-0123456789";
    private static final int STEP = 100;

    @TempDir Path dir;

    private final List<Programs.Running> nodes = new ArrayList<>();
    private final String clusterId = UUID.randomUUID().toString();
    private int base;

    @AfterEach
    void stop() throws Exception {
        for (String home : List.of("home", "joined", "other")) {
            run(Map.of("CISTERN_HOME", dir.resolve(home).toString()), "stop");
        }
        for (Programs.Running node : nodes) {
            node.process().destroy();
        }
        for (Programs.Running node : nodes) {
            assertThat(node.end(LIMIT).exit()).isZero();
        }
    }

    // --- certificates

    private void openssl(String command) throws Exception {
        List<String> line = new ArrayList<>(List.of(command.split(" ")));
        line.addFirst("openssl");
        Programs.run(dir, LIMIT, line).succeeded();
    }

    private void authority(String name) throws Exception {
        openssl(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=%s -keyout %s -out %s"
                        .formatted(name, file(name + ".key"), file(name + ".pem")));
    }

    private void certificate(String authority, String name) throws Exception {
        Path names = file("names");
        Files.writeString(names, "subjectAltName=IP:127.0.0.1\n");
        openssl(
                "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=%s -keyout %s -out %s"
                        .formatted(name, file(name + ".key"), file(name + ".csr")));
        openssl(
                "x509 -req -days 2 -CAcreateserial -in %s -CA %s -CAkey %s -extfile %s -out %s"
                        .formatted(
                                file(name + ".csr"),
                                file(authority + ".pem"),
                                file(authority + ".key"),
                                names,
                                file(name + ".pem")));
    }

    private Path file(String name) {
        return dir.resolve(name);
    }

    // --- nodes

    private String configuration(int k) {
        int ports = base + STEP * k;
        StringBuilder text =
                new StringBuilder(
                        """
                        [node]
                        name = "n%1$d"
                        [[disk]]
                        path = "n%1$d/disk"
                        size = "1GiB"
                        [wire]
                        listen = "127.0.0.1:%3$d"
                        [raft]
                        listen = "127.0.0.1:%4$d"
                        [api]
                        listen = "127.0.0.1:%2$d"
                        token-file = "token"
                        certificate = "n%1$d.pem"
                        key = "n%1$d.key"
                        [tls]
                        certificate = "n%1$d.pem"
                        key = "n%1$d.key"
                        authority = "ca.pem"
                        [log]
                        file = "n%1$d.log"
                        [cluster]
                        id = "%5$s"
                        """
                                .formatted(k, ports, ports + 1, ports + 2, clusterId));
        for (int j = 0; j < 3; j++) {
            int p = base + STEP * j;
            text.append(
                    """
                    [[cluster.node]]
                    name = "n%d"
                    wire = "127.0.0.1:%d"
                    raft = "127.0.0.1:%d"
                    api = "https://127.0.0.1:%d"
                    """
                            .formatted(j, p + 1, p + 2, p));
        }
        return text.toString();
    }

    private void startNodes() throws Exception {
        authority("ca");
        authority("foreign");
        for (String name : List.of("n0", "n1", "n2", "n3", "tool")) {
            certificate("ca", name);
        }
        certificate("foreign", "stranger");
        Files.writeString(file("token"), TOKEN + "\n");
        base = LocalCluster.freePortBase();
        for (int k = 0; k < 3; k++) {
            Path config = file("n" + k + ".toml");
            Files.writeString(config, configuration(k));
            nodes.add(
                    Programs.start(
                            dir,
                            LocalCluster.commandLine(
                                    "node", "run", "--config", config.toString())));
        }
        awaitHealth();
    }

    /// A node that has joined gets replicas by itself; while one is being copied the cluster says
    /// so.
    private void awaitHealth() {
        await().atMost(LIMIT)
                .pollInterval(Duration.ofMillis(500))
                .until(() -> {
                    Programs.Result status = run(trusted(), "status");
                    return status.exit() == 0 && status.output().contains("health:      ok");
                });
    }

    private String api(int node) {
        return "https://127.0.0.1:" + (base + STEP * node);
    }

    /// What the environment of an administrator's shell names.
    private Map<String, String> trusted() {
        Map<String, String> all = new HashMap<>();
        all.put("CISTERN_HOME", file("home").toString());
        all.put("CISTERN_API", api(0) + "," + api(1));
        all.put("CISTERN_CA_FILE", file("ca.pem").toString());
        all.put("CISTERN_TOKEN_FILE", file("token").toString());
        return all;
    }

    private Map<String, String> with(String... more) {
        Map<String, String> all = trusted();
        for (int i = 0; i < more.length; i += 2) {
            all.put(more[i], more[i + 1]);
        }
        return all;
    }

    private Map<String, String> showing(String certificate) {
        return with(
                "CISTERN_TLS_CERTIFICATE", file(certificate + ".pem").toString(),
                "CISTERN_TLS_KEY", file(certificate + ".key").toString(),
                "CISTERN_TLS_AUTHORITY", file("ca.pem").toString());
    }

    private Programs.Result run(Map<String, String> environment, String... arguments)
            throws IOException, InterruptedException {
        return Programs.start(dir, LocalCluster.commandLine(arguments), environment).end(LIMIT);
    }

    private void refused(Map<String, String> environment, String words, String... arguments)
            throws Exception {
        Programs.Result result = run(environment, arguments);
        assertThat(result.output()).contains(words);
        assertThat(result.output().strip().lines()).hasSize(1);
        assertThat(result.exit()).isEqualTo(1);
    }

    // --- tests

    @Test
    void onlyThoseWithCertificateAndTokenGetIn() throws Exception {
        startNodes();
        Path image = NodeKillTest.randomImage(file("image.raw"), 4 << 20);
        theApiRefusesStrangers();
        run(trusted(), "volume", "create", "v", "64MiB").succeeded();
        theWireRefusesStrangers(image);
        run(showing("tool"), "volume", "import", "img", image.toString()).succeeded();
        Path back = file("back.raw");
        run(showing("tool"), "volume", "export", "img", back.toString()).succeeded();
        assertThat(Files.mismatch(image, back)).isEqualTo(-1);
        nodesJoinOnlyWithACertificate();
        aNodeOfAnotherClusterStaysOutside();
        garbageChangesNothing();
        run(trusted(), "verify").succeeded();
        secretsAreNowhereToBeSeen();
    }

    private void theApiRefusesStrangers() throws Exception {
        Files.writeString(file("guess"), "guessed-guessed-guessed\n");
        refused(
                with("CISTERN_TOKEN_FILE", file("guess").toString()),
                "not the API's token",
                "status");
        Map<String, String> none = trusted();
        none.remove("CISTERN_TOKEN_FILE");
        refused(none, "wants a token", "status");
        Map<String, String> untrusting = trusted();
        untrusting.remove("CISTERN_CA_FILE");
        refused(untrusting, "--ca-file", "status");
        refused(with("CISTERN_CA_FILE", file("foreign.pem").toString()), "--ca-file", "status");
        refused(
                with("CISTERN_API", "http://127.0.0.1:" + base),
                "does its API use https?",
                "status");
    }

    private void theWireRefusesStrangers(Path image) throws Exception {
        String[] command = {"volume", "import", "img", image.toString()};
        refused(trusted(), "this cluster uses TLS", command);
        refused(showing("stranger"), "TLS failed", command);
    }

    private void nodesJoinOnlyWithACertificate() throws Exception {
        String token = run(trusted(), "node", "token").succeeded().output().strip();
        Map<String, String> joining = with("CISTERN_HOME", file("joined").toString());
        String ports = Integer.toString(base + STEP * 3);
        String[] plain = {
            "node", "add", "--join", token, "--name", "n3", "--port-base", ports, "--size", "1GiB"
        };
        refused(joining, "this cluster uses TLS", plain);
        refused(joining, "TLS failed", tls(plain, "stranger"));
        run(joining, tls(plain, "n3")).succeeded();
        assertThat(run(trusted(), "node", "list").succeeded().output()).contains("n3    up");
    }

    private String[] tls(String[] command, String certificate) {
        return Stream.concat(
                        Stream.of(command),
                        Stream.of(
                                "--tls-certificate",
                                file(certificate + ".pem").toString(),
                                "--tls-key",
                                file(certificate + ".key").toString(),
                                "--tls-authority",
                                file("ca.pem").toString()))
                .toArray(String[]::new);
    }

    /// With a good certificate: it is the cluster's id that keeps it out.
    private void aNodeOfAnotherClusterStaysOutside() throws Exception {
        Path config = file("stray.toml");
        String text =
                configuration(0)
                        .replace(clusterId, UUID.randomUUID().toString())
                        .replace("n0/disk", "stray/disk")
                        .replace("n0.log", "stray.log")
                        .replace(
                                "listen = \"127.0.0.1:" + base,
                                "listen = \"127.0.0.1:" + (base + 50))
                        .replace(
                                "listen = \"127.0.0.1:" + (base + 1),
                                "listen = \"127.0.0.1:" + (base + 51))
                        .replace(
                                "listen = \"127.0.0.1:" + (base + 2),
                                "listen = \"127.0.0.1:" + (base + 52));
        Files.writeString(config, text);
        List<String> line = LocalCluster.commandLine("node", "run", "--config", config.toString());
        try (Programs.Running stray = Programs.start(dir, line)) {
            await().atMost(LIMIT).until(() -> log("n1").contains("belongs to cluster"));
            assertThat(stray.alive()).isTrue();
        }
        // On the disk of a node of this cluster it does not even start.
        Files.writeString(config, text.replace("stray/disk", "n0/disk"));
        Programs.Result taken = Programs.run(dir, LIMIT, line);
        assertThat(taken.exit()).isEqualTo(1);
        assertThat(taken.output()).contains("belongs to cluster " + clusterId);
    }

    private String log(String node) throws IOException {
        return Files.readString(file(node + ".log"), StandardCharsets.ISO_8859_1);
    }

    private void garbageChangesNothing() throws Exception {
        byte[] garbage = new byte[4096];
        new java.util.Random(11).nextBytes(garbage);
        for (int port = base; port < base + 3; port++) {
            for (int first : new int[] {0, 22, 255}) {
                garbage[0] = (byte) first;
                try (Socket socket = new Socket()) {
                    socket.connect(new InetSocketAddress("127.0.0.1", port));
                    socket.setSoTimeout(20_000);
                    socket.getOutputStream().write(garbage);
                    socket.shutdownOutput();
                    while (socket.getInputStream().read() >= 0) {
                        Thread.onSpinWait(); // what it is told before it is hung up on
                    }
                } catch (IOException reset) {
                    assertThat(reset).hasMessageNotContaining("timed out");
                }
            }
        }
        awaitHealth();
    }

    private void secretsAreNowhereToBeSeen() throws Exception {
        for (String log : List.of("n0.log", "n1.log", "n2.log")) {
            assertThat(Files.readString(file(log), StandardCharsets.ISO_8859_1))
                    .doesNotContain(TOKEN);
        }
        for (Programs.Running node : nodes) {
            assertThat(node.process().info().commandLine().orElse("")).doesNotContain(TOKEN);
        }
        assertThat(run(trusted(), "status", "-o", "json").succeeded().output())
                .doesNotContain(TOKEN);
    }
}
