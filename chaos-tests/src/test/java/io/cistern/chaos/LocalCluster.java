package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cistern.vmdisk.DriverClient;
import io.cistern.volume.ClientConfig;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.function.Predicate;
import java.util.stream.Stream;

/// A cluster of three node processes and a driver, as `cistern start --processes` makes it, on
/// ports that were free, in a directory of its own. Nodes are killed, frozen and started again by
/// process id. Closing it ends every process that names the directory.
final class LocalCluster implements AutoCloseable {
    static final int NODES = 3;
    private static final Duration COMMAND_LIMIT = Duration.ofMinutes(3);
    private static final Duration REQUEST_LIMIT = Duration.ofSeconds(10);
    private static final int PORTS_PER_NODE = 100;
    private static final int ISCSI_PORT = 10;
    private static final int NFS_PORT = 20;
    private static final List<Integer> PORTS_USED = List.of(0, 1, 2, ISCSI_PORT, NFS_PORT);
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final Path dir;
    private final Path home;
    private final int portBase;

    private final Map<String, String> extra;

    /// Each node has an address of its own, [Cuts#address].
    private final boolean apart;

    private LocalCluster(Path dir, int portBase, Map<String, String> extra) {
        this(dir, portBase, extra, false);
    }

    private LocalCluster(Path dir, int portBase, Map<String, String> extra, boolean apart) {
        this.dir = dir;
        this.apart = apart;
        this.extra = extra;
        this.home = dir.resolve("home");
        this.portBase = portBase;
    }

    /// Makes a cluster and waits until it is healthy.
    static LocalCluster start(Path dir) throws IOException, InterruptedException {
        return start(dir, Map.of());
    }

    /// @param environment of its processes, beside what every process has
    static LocalCluster start(Path dir, Map<String, String> environment)
            throws IOException, InterruptedException {
        LocalCluster cluster = new LocalCluster(dir, freePortBase(), environment);
        try {
            cluster.startNodes();
        } catch (AssertionError | IOException | InterruptedException e) {
            cluster.close();
            throw e;
        }
        return cluster;
    }

    /// As [#start], with an address for each node and small checkpoints.
    ///
    /// @param diskSize most bytes of data on each node, "0" for what there is
    static LocalCluster startApart(Path dir, Map<String, String> environment, String diskSize)
            throws IOException, InterruptedException {
        LocalCluster cluster = new LocalCluster(dir, freePortBase(), environment, true);
        try {
            cluster.configureApart(diskSize);
            cluster.startNodes();
        } catch (AssertionError | IOException | InterruptedException e) {
            cluster.close();
            throw e;
        }
        return cluster;
    }

    /// Makes a cluster of two nodes, n0 and n1, and a witness, n2, and waits until it is healthy.
    static LocalCluster startWithWitness(Path dir) throws IOException, InterruptedException {
        LocalCluster cluster = new LocalCluster(dir, freePortBase(), Map.of());
        try {
            String base = Integer.toString(cluster.portBase);
            cluster.cistern("start", "--processes", "--nodes", "2", "--port-base", base);
            String token = cluster.cistern("node", "token").strip();
            cluster.cistern("node", "add", "--witness", "--join", token);
            cluster.awaitStatus(
                    Duration.ofSeconds(60),
                    s ->
                            s.path("health").asText().equals("OK")
                                    && s.path("groups")
                                            .findValuesAsText("state")
                                            .contains("WITNESS"));
        } catch (AssertionError | IOException | InterruptedException e) {
            cluster.close();
            throw e;
        }
        return cluster;
    }

    private void configureApart(String diskSize) throws IOException {
        StringBuilder members = new StringBuilder();
        StringBuilder endpoints = new StringBuilder();
        for (int node = 0; node < NODES; node++) {
            members.append(
                    """
                    [[cluster.node]]
                    name = "n%d"
                    wire = "%s"
                    raft = "%s"
                    api = "%s"
                    """
                            .formatted(node, address(node, 1), address(node, 2), api(node)));
            endpoints.append(api(node)).append('\n');
        }
        String id = UUID.randomUUID().toString();
        for (int node = 0; node < NODES; node++) {
            Path folder = Files.createDirectories(home.resolve("n" + node));
            Files.writeString(
                    folder.resolve("node.toml"),
                    """
                    [node]
                    name = "n%d"
                    [[disk]]
                    path = "disk"
                    size = "%s"
                    [wire]
                    listen = "%s"
                    [raft]
                    listen = "%s"
                    [api]
                    listen = "%s"
                    [iscsi]
                    listen = "%s"
                    [nfs]
                    listen = "%s"
                    [log]
                    file = "node.log"
                    [tuning]
                    checkpoint = "2MiB"
                    [cluster]
                    id = "%s"
                    """
                                    .formatted(
                                            node,
                                            diskSize,
                                            address(node, 1),
                                            address(node, 2),
                                            address(node, 0),
                                            address(node, ISCSI_PORT),
                                            address(node, NFS_PORT),
                                            id)
                            + members);
        }
        Files.writeString(home.resolve("endpoints"), endpoints);
    }

    private String address(int node, int plus) {
        String host = apart ? Cuts.address("n" + node) : "127.0.0.1";
        return host + ":" + (portBase + PORTS_PER_NODE * node + plus);
    }

    /// The port at which a node answers programs and other nodes.
    int wirePort(String node) {
        String address = address(Integer.parseInt(node.substring(1)), 1);
        return Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
    }

    /// The port of a node's iSCSI portal.
    int portalPort(String node) {
        String portal = portal(Integer.parseInt(node.substring(1)));
        return Integer.parseInt(portal.substring(portal.lastIndexOf(':') + 1));
    }

    /// How a program beside the nodes reaches them.
    ClientConfig client() throws InterruptedException {
        List<InetSocketAddress> wires = new ArrayList<>();
        for (int node = 0; node < NODES; node++) {
            String[] parts = address(node, 1).split(":", -1);
            wires.add(new InetSocketAddress(parts[0], Integer.parseInt(parts[1])));
        }
        return ClientConfig.of(wires, status().path("clusterId").asText());
    }

    /// As [#start], all nodes in one process.
    static LocalCluster startInOneProcess(Path dir) throws IOException, InterruptedException {
        LocalCluster cluster = new LocalCluster(dir, freePortBase(), Map.of());
        try {
            cluster.cistern("start", "--port-base", Integer.toString(cluster.portBase));
        } catch (AssertionError | IOException | InterruptedException e) {
            cluster.close();
            throw e;
        }
        return cluster;
    }

    /// Starts the nodes that do not run and returns when all is healthy.
    void startNodes() throws IOException, InterruptedException {
        cistern("start", "--processes", "--port-base", Integer.toString(portBase));
    }

    /// Starts the nodes that do not run; closing what is returned ends the waiting for them.
    Programs.Running startNodesSoon() throws IOException {
        return Programs.start(
                dir,
                commandLine("start", "--processes", "--port-base", Integer.toString(portBase)),
                environment());
    }

    /// Runs a command of `cistern` that must succeed.
    String cistern(String... arguments) throws IOException, InterruptedException {
        Programs.Result result = command(arguments);
        if (result.exit() != 0) {
            fail("cistern %s: %s%s", String.join(" ", arguments), result.output(), logs());
        }
        return result.output();
    }

    /// Runs a command of `cistern`, whatever its result.
    Programs.Result command(String... arguments) throws IOException, InterruptedException {
        return Programs.start(dir, commandLine(arguments), environment()).end(COMMAND_LIMIT);
    }

    /// As the launcher's.
    static final List<String> COMMAND_FLAGS =
            List.of(
                    "--enable-native-access=ALL-UNNAMED",
                    "--sun-misc-unsafe-memory-access=allow",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-XX:-UsePerfData",
                    "-Xmx128m");

    /// The command as the launcher would run it, from the classes under test.
    static List<String> commandLine(String... arguments) {
        List<String> line = new ArrayList<>();
        line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        line.addAll(COMMAND_FLAGS);
        line.addAll(Warm.commandOptions());
        line.addAll(List.of("-cp", Warm.CLASS_PATH, "io.cistern.server.Main"));
        line.addAll(List.of(arguments));
        return line;
    }

    private Map<String, String> environment() {
        Map<String, String> all = new HashMap<>(extra);
        all.putIfAbsent("CISTERN_NODE_OPTS", Warm.daemonOptions());
        all.put("CISTERN_HOME", home.toString());
        all.put("CISTERN_API", String.join(",", api(0), api(1), api(2)));
        return all;
    }

    String api(int node) {
        return "http://" + address(node, 0);
    }

    /// Where a node's iSCSI portal is.
    String portal(int node) {
        return address(node, ISCSI_PORT);
    }

    /// Opens a file of a share at whichever node serves it.
    NfsFile openFile(String share, String name) throws IOException {
        IOException last = new IOException("no node");
        for (int node = 0; node < NODES; node++) {
            String[] parts = address(node, NFS_PORT).split(":", -1);
            try {
                return NfsFile.open(parts[0], Integer.parseInt(parts[1]), share, name);
            } catch (IOException elsewhere) {
                last = elsewhere;
            }
        }
        throw last;
    }

    Path home() {
        return home;
    }

    /// The directory of a node's disk.
    Path disk(String node) {
        return home.resolve(node).resolve("disk");
    }

    // --- what the cluster says of itself

    /// The status as the first node that answers sees it.
    JsonNode status() throws InterruptedException {
        return get("/v1/status");
    }

    JsonNode get(String path) throws InterruptedException {
        return request("GET", path, null);
    }

    /// Sends a request to the first node that answers; the answer must be a success.
    JsonNode request(String method, String path, @org.jspecify.annotations.Nullable String body)
            throws InterruptedException {
        List<String> tried = new ArrayList<>();
        for (int node = 0; node < NODES; node++) {
            HttpRequest.Builder request =
                    HttpRequest.newBuilder(URI.create(api(node) + path)).timeout(REQUEST_LIMIT);
            if (body == null) {
                request.method(method, HttpRequest.BodyPublishers.noBody());
            } else {
                request.header("Content-Type", "application/json")
                        .method(method, HttpRequest.BodyPublishers.ofString(body));
            }
            try {
                HttpResponse<String> answer =
                        http.send(request.build(), HttpResponse.BodyHandlers.ofString());
                if (answer.statusCode() / 100 == 2) {
                    return answer.body().isEmpty()
                            ? JSON.createObjectNode()
                            : JSON.readTree(answer.body());
                }
                tried.add(answer.statusCode() + " " + answer.body());
            } catch (IOException e) {
                tried.add(e.toString());
            }
        }
        throw new AssertionError(method + " " + path + " failed everywhere: " + tried);
    }

    /// The metrics pages of all nodes.
    String metrics() throws IOException, InterruptedException {
        StringBuilder all = new StringBuilder();
        for (int node = 0; node < NODES; node++) {
            HttpRequest request =
                    HttpRequest.newBuilder(URI.create(api(node) + "/metrics"))
                            .timeout(REQUEST_LIMIT)
                            .build();
            all.append(http.send(request, HttpResponse.BodyHandlers.ofString()).body());
        }
        return all.toString();
    }

    long volumeUsed(String volume) throws InterruptedException {
        return get("/v1/volumes/" + volume).path("usedBytes").asLong();
    }

    /// The node that leads the group of a volume; waits until there is one other than `not`.
    String leaderOf(String volume, String... not) {
        return awaitStatus(
                        Duration.ofSeconds(60),
                        s -> {
                            String leader = leader(s, volume);
                            return !leader.isEmpty() && !Arrays.asList(not).contains(leader);
                        })
                .path("volumes")
                .valueStream()
                .filter(v -> v.path("name").asText().equals(volume))
                .findFirst()
                .orElseThrow()
                .path("leader")
                .asText();
    }

    private static String leader(JsonNode status, String volume) {
        return status.path("volumes")
                .valueStream()
                .filter(v -> v.path("name").asText().equals(volume))
                .map(v -> v.path("leader").isTextual() ? v.path("leader").asText() : "")
                .findFirst()
                .orElse("");
    }

    void awaitHealth(String health) {
        awaitStatus(Duration.ofSeconds(120), s -> s.path("health").asText().equals(health));
    }

    /// Waits until a node is in that state, as DRAINED.
    void awaitState(String node, String state) {
        awaitStatus(
                Duration.ofSeconds(180),
                s ->
                        s.path("nodes")
                                .valueStream()
                                .anyMatch(n ->
                                        n.path("name").asText().equals(node)
                                                && n.path("state").asText().equals(state)));
    }

    /// Asks until the status is as wanted; the last one is in the failure's message.
    JsonNode awaitStatus(Duration limit, Predicate<JsonNode> wanted) {
        List<JsonNode> last = new ArrayList<>(List.of(JSON.createObjectNode()));
        await().atMost(limit)
                .pollInterval(Duration.ofMillis(200))
                .ignoreExceptions()
                .untilAsserted(() -> {
                    JsonNode now = status();
                    last.set(0, now);
                    assertThat(wanted.test(now))
                            .withFailMessage("status is still %s", now)
                            .isTrue();
                });
        return last.getFirst();
    }

    // --- processes

    /// The process of a node as `status` shows it, checked to be one of this cluster.
    long pid(String node) throws InterruptedException {
        long pid =
                status().path("nodes")
                        .valueStream()
                        .filter(n -> n.path("name").asText().equals(node))
                        .findFirst()
                        .orElseThrow()
                        .path("pid")
                        .asLong();
        assertThat(ownProcesses()).contains(pid);
        return pid;
    }

    /// Runs one node, without the others, as long as what is returned is not closed.
    Programs.Running runNode(String node) throws IOException {
        String config = home.resolve(node).resolve("node.toml").toString();
        return Programs.start(dir, commandLine("node", "run", "--config", config), environment());
    }

    /// SIGKILL, and waits until the process is gone.
    void kill(String node) throws InterruptedException {
        long pid = pid(node);
        ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
        awaitGone(pid);
    }

    /// SIGKILL of all nodes, also of those that are being started, as near to one instant as it
    /// gets; the driver goes on.
    void killAll() {
        List<Long> pids = ownProcesses().stream().filter(this::isNode).toList();
        pids.forEach(pid -> ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly));
        pids.forEach(this::awaitGone);
    }

    /// SIGTERM, and waits until the process is gone.
    void terminate(String node) throws InterruptedException {
        long pid = pid(node);
        ProcessHandle.of(pid).ifPresent(ProcessHandle::destroy);
        awaitGone(pid);
    }

    /// SIGSTOP.
    void freeze(long pid) throws IOException, InterruptedException {
        signal("-STOP", pid);
    }

    /// SIGCONT.
    void thaw(long pid) throws IOException, InterruptedException {
        signal("-CONT", pid);
    }

    private void signal(String signal, long pid) throws IOException, InterruptedException {
        Programs.run(dir, REQUEST_LIMIT, List.of("kill", signal, Long.toString(pid))).succeeded();
    }

    void awaitGone(long pid) {
        await().atMost(Duration.ofSeconds(60)).until(() -> !ownProcesses().contains(pid));
    }

    /// Attaches a volume and returns its socket.
    Path attach(String volume) throws IOException, InterruptedException {
        Path socket = dir.resolve(volume + ".sock");
        cistern("attach", volume, "--socket", socket.toString());
        assertThat(socket).exists();
        return socket;
    }

    /// Attaches a volume to a socket of that name, and returns it.
    Path attach(String volume, String name, String... options)
            throws IOException, InterruptedException {
        Path socket = dir.resolve(name);
        List<String> line =
                new ArrayList<>(List.of("attach", volume, "--socket", socket.toString()));
        line.addAll(List.of(options));
        cistern(line.toArray(String[]::new));
        assertThat(socket).exists();
        return socket;
    }

    /// The driver of this cluster.
    DriverClient driver() {
        return new DriverClient(home.resolve("driver"));
    }

    /// SIGKILL of the driver, which is started again by itself.
    ///
    /// @return how long until it answered again
    Duration killDriver() {
        return killDriver(driver().pid());
    }

    /// As [#killDriver], where it is frozen and cannot be asked who it is.
    Duration killDriver(long pid) {
        long killed = System.nanoTime();
        ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
        await().atMost(Duration.ofSeconds(60))
                .pollInterval(Duration.ofMillis(20))
                .until(() -> driver().running() && driver().pid() != pid);
        return Duration.ofNanos(System.nanoTime() - killed);
    }

    /// The address of an attached volume for libnbd, qemu-img and fio.
    static String uri(String volume, Path socket) {
        return "nbd+unix:///" + volume + "?socket=" + socket;
    }

    /// Live processes that name this cluster's directory.
    private List<Long> ownProcesses() {
        try (Stream<ProcessHandle> all = ProcessHandle.allProcesses()) {
            return all.map(ProcessHandle::pid).filter(this::own).toList();
        }
    }

    private boolean own(long pid) {
        return lineOf(pid).contains(home + "/");
    }

    private boolean isNode(long pid) {
        return lineOf(pid).contains("/node.toml");
    }

    /// Empty where it has ended.
    private static String lineOf(long pid) {
        try {
            Path line = Path.of("/proc", Long.toString(pid), "cmdline");
            return new String(Files.readAllBytes(line), StandardCharsets.UTF_8);
        } catch (IOException e) {
            return "";
        }
    }

    /// The last lines of every log, for the message of a failure.
    String logs() throws IOException {
        StringBuilder text = new StringBuilder();
        try (Stream<Path> files = Files.exists(home) ? Files.walk(home, 3) : Stream.empty()) {
            for (Path file :
                    files.filter(f -> f.toString().matches(".*\\.(log|out)")).sorted().toList()) {
                List<String> lines = Files.readAllLines(file, StandardCharsets.ISO_8859_1);
                text.append("\n--- ").append(file).append('\n');
                lines.subList(Math.max(0, lines.size() - 30), lines.size())
                        .forEach(line -> text.append(line).append('\n'));
            }
        }
        return text.toString();
    }

    @Override
    public void close() throws IOException, InterruptedException {
        for (long pid : ownProcesses()) {
            signalQuietly(pid);
        }
        if (Files.exists(home)) {
            command("stop");
        }
        ownProcesses()
                .forEach(pid -> ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly));
        ownProcesses().forEach(this::awaitGone);
        http.close();
    }

    /// A frozen process would not hear SIGTERM.
    private void signalQuietly(long pid) throws IOException, InterruptedException {
        Programs.run(dir, REQUEST_LIMIT, List.of("kill", "-CONT", Long.toString(pid)));
    }

    static int freePortBase() {
        Random random = new Random();
        for (int attempt = 0; attempt < 100; attempt++) {
            int base = 20_000 + 100 * random.nextInt(100);
            if (Stream.iterate(0, k -> k < NODES, k -> k + 1)
                    .allMatch(k -> free(base + PORTS_PER_NODE * k))) {
                return base;
            }
        }
        return fail("no range of free ports");
    }

    private static boolean free(int first) {
        for (int port : PORTS_USED) {
            try (ServerSocket socket = new ServerSocket()) {
                socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), first + port));
            } catch (IOException e) {
                return false;
            }
        }
        return true;
    }
}
