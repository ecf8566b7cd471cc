package io.cistern.server.local;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Names;
import io.cistern.server.config.ServerConfig;
import io.cistern.server.local.Jvm.Memory;
import io.cistern.server.local.NodeFiles.Ports;
import io.cistern.volume.NodeConfig;
import io.cistern.volume.TlsFiles;
import io.cistern.volume.node.NodeHost;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Starts and stops the nodes of a home. Blocks; one thread.
public final class LocalCluster {
    public static final int DEFAULT_NODES = 3;
    public static final int DEFAULT_PORT_BASE = 7480;

    /// Most nodes of one local cluster.
    public static final int MAX_NODES = 9;

    /// A node that has not ended this long after SIGTERM is killed.
    private static final Duration STOP_PATIENCE = Duration.ofSeconds(30);

    private static final String ALL = "all";
    private static final long POLL_MILLIS = 50;

    private final LocalHome home;

    public LocalCluster(LocalHome home) {
        this.home = home;
    }

    /// How to start.
    ///
    /// @param nodes null for those the home has, or [#DEFAULT_NODES] in a new one
    /// @param portBase likewise; [#DEFAULT_PORT_BASE]
    /// @param processes one process per node
    public record StartRequest(
            @Nullable Integer nodes, @Nullable Integer portBase, boolean processes) {}

    /// @param started names of what was started now: nodes, or "all"; empty where all ran
    public record Started(List<String> nodes, List<String> started) {}

    /// Starts whatever does not run. The first time, writes the configuration.
    ///
    /// @throws CisternException BUSY (a port is taken), INVALID (the home holds another cluster
    ///   than asked for), IO
    public Started start(StartRequest request) {
        try (LocalHome.Lock _ = home.lock()) {
            if (home.nodes().isEmpty()) {
                form(request);
            } else {
                check(request);
            }
            List<String> names = home.nodes();
            if (home.pidFile(ALL).live().isPresent()) {
                if (request.processes()) {
                    throw new CisternException(
                            ErrorCode.BUSY,
                            "the cluster runs as one process; run 'cistern stop' first to start one process per node");
                }
                return new Started(names, List.of());
            }
            List<String> absent =
                    names.stream().filter(n -> home.pidFile(n).live().isEmpty()).toList();
            if (absent.isEmpty()) {
                return new Started(names, List.of());
            }
            for (String name : absent) {
                checkPorts(
                        home.read(name),
                        "end that program, or use another --home with another --port-base");
            }
            boolean apart = request.processes() || absent.size() < names.size();
            if (!apart) {
                spawn(ALL, names);
                return new Started(names, List.of(ALL));
            }
            absent.forEach(name -> spawn(name, List.of(name)));
            return new Started(names, absent);
        }
    }

    /// Writes the configuration of a new cluster, and starts nothing.
    ///
    /// @return the nodes' files
    /// @throws CisternException BUSY (a port is taken), IO
    public List<Path> configure(StartRequest request) {
        form(request);
        return home.nodes().stream().map(home::config).toList();
    }

    private void form(StartRequest request) {
        int nodes = request.nodes() == null ? DEFAULT_NODES : request.nodes();
        int base = request.portBase() == null ? DEFAULT_PORT_BASE : request.portBase();
        for (int k = 0; k < nodes; k++) {
            Ports ports = Ports.ofNode(base, k);
            String remedy = "choose other ports by --port-base N (now " + base + ")";
            checkPorts(
                    List.of(ports.api(), ports.wire(), ports.raft(), ports.iscsi(), ports.nfs()),
                    "n" + k,
                    remedy);
        }
        NodeFiles.form(home, nodes, base);
        home.writeEndpoints();
    }

    private void check(StartRequest request) {
        List<String> names = home.nodes();
        if (request.nodes() != null && request.nodes() != names.size()) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    home.path()
                            + " holds a cluster of "
                            + names.size()
                            + " nodes, not "
                            + request.nodes()
                            + "; 'cistern node add' grows it, another --home holds another cluster");
        }
        int base = home.read(names.getFirst()).api().listen().getPort();
        if (request.portBase() != null && request.portBase() != base) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "the cluster in "
                            + home.path()
                            + " was made with --port-base "
                            + base
                            + "; its addresses are fixed");
        }
    }

    private static void checkPorts(ServerConfig config, String remedy) {
        NodeConfig node = config.node();
        List<InetSocketAddress> ports = List.of(config.api().listen(), node.wire(), node.raft());
        ServerConfig.IscsiConfig iscsi = config.iscsi();
        String of = " of node " + node.name();
        if (iscsi != null) {
            iscsi.listen().stream()
                    .filter(a -> !iscsi.optional(a))
                    .forEach(a -> PortCheck.free(a, "iSCSI" + of, remedy));
        }
        ServerConfig.NfsConfig nfs = config.nfs();
        if (nfs != null && !nfs.listen().isEmpty()) {
            // Others than the first, such as the standard port, may be somebody else's.
            PortCheck.free(nfs.listen().getFirst(), "NFS" + of, remedy);
        }
        checkPorts(ports, node.name(), remedy);
    }

    private static void checkPorts(List<InetSocketAddress> ports, String node, String remedy) {
        List<String> uses = List.of("the API", "the node wire", "Raft", "iSCSI", "NFS");
        for (int i = 0; i < ports.size(); i++) {
            PortCheck.free(ports.get(i), uses.get(i) + " of node " + node, remedy);
        }
    }

    private void spawn(String name, List<String> nodes) {
        List<String> arguments = new ArrayList<>(List.of("node", "run"));
        for (String node : nodes) {
            arguments.add("--config");
            arguments.add(home.config(node).toString());
        }
        Process process =
                Jvm.start(
                        Jvm.command(Memory.nodes(nodes.size()), arguments),
                        home.output(nodes.getFirst()));
        home.pidFile(name).write(process.toHandle());
    }

    /// How to add a node.
    ///
    /// @param name null for the next free of n0, n1 …
    /// @param portBase null for 100 more than the last node's here
    /// @param diskBytes most bytes of data; 0 for what the file system has
    /// @param witness votes and holds no data
    /// @param tls null where the cluster uses plain connections
    public record AddRequest(
            @Nullable String name,
            @Nullable Integer portBase,
            long diskBytes,
            boolean witness,
            String token,
            @Nullable TlsFiles tls) {}

    /// Starts a new node of this home that joins a cluster.
    ///
    /// @return its name
    public String add(AddRequest request) {
        NodeHost.checkJoinToken(request.token());
        try (LocalHome.Lock _ = home.lock()) {
            List<String> names = home.nodes();
            String chosen = request.name();
            for (int k = 0; chosen == null; k++) {
                chosen = names.contains("n" + k) ? null : "n" + k;
            }
            Names.check("node name", chosen);
            if (names.contains(chosen)) {
                throw new CisternException(
                        ErrorCode.ALREADY_EXISTS,
                        "there is a node "
                                + chosen
                                + " in "
                                + home.path()
                                + "; choose another --name");
            }
            int last =
                    names.stream()
                            .mapToInt(n -> home.read(n).api().listen().getPort())
                            .max()
                            .orElse(DEFAULT_PORT_BASE - NodeFiles.PORTS_PER_NODE);
            Ports ports =
                    new Ports(
                            request.portBase() == null
                                    ? last + NodeFiles.PORTS_PER_NODE
                                    : request.portBase());
            checkPorts(
                    List.of(ports.api(), ports.wire(), ports.raft(), ports.iscsi(), ports.nfs()),
                    chosen,
                    "choose others by --port-base N (now " + ports.base() + ")");
            NodeFiles.join(home, chosen, ports, request);
            home.writeEndpoints();
            spawn(chosen, List.of(chosen));
            return chosen;
        }
    }

    /// Stops a node that its cluster has forgotten, where it is one of this home, and takes it out
    /// of the list of those that a start starts. Its files stay. A node that shares its process
    /// with others ends with them.
    ///
    /// @param clusterId of the cluster that forgot it: a home may hold another one
    /// @return whether there is such a node here
    public boolean retire(String name, String clusterId) {
        if (!home.nodes().contains(name) || !belongs(name, clusterId)) {
            return false;
        }
        try (LocalHome.Lock _ = home.lock()) {
            home.pidFile(name)
                    .live()
                    .ifPresent(process -> {
                        process.destroy();
                        if (!awaitEnd(process, System.nanoTime() + STOP_PATIENCE.toNanos())) {
                            process.destroyForcibly();
                        }
                    });
            home.pidFile(name).delete();
            Path config = home.config(name);
            NodeFiles.move(config, config.resolveSibling("node.toml.removed"));
            home.writeEndpoints();
            return true;
        }
    }

    /// Takes a node whose process has ended out of the list again, where it never became part of a
    /// cluster, so that it can be added anew under its name.
    public void forgetUnlessJoined(String name) {
        try (LocalHome.Lock _ = home.lock()) {
            Path disk = home.read(name).node().disks().getFirst().path();
            if (NodeHost.clusterOf(disk).isEmpty()) {
                Path config = home.config(name);
                NodeFiles.move(config, config.resolveSibling("node.toml.failed"));
                home.pidFile(name).delete();
                home.writeEndpoints();
            }
        }
    }

    /// Whether the node's disk says that it is of the cluster.
    private boolean belongs(String name, String clusterId) {
        Path disk = home.read(name).node().disks().getFirst().path();
        return NodeHost.clusterOf(disk).filter(clusterId::equals).isPresent();
    }

    /// The processes of this home's nodes that run: by node name, or "all".
    public Map<String, ProcessHandle> running() {
        Map<String, ProcessHandle> live = new LinkedHashMap<>();
        home.pidFile(ALL).live().ifPresent(p -> live.put(ALL, p));
        for (String name : home.nodes()) {
            home.pidFile(name).live().ifPresent(p -> live.put(name, p));
        }
        return live;
    }

    /// @param stopped how many processes were told to stop
    /// @param killed those that did not and were killed
    public record Stopped(int stopped, List<String> killed) {}

    /// Stops what runs: SIGTERM to all at once, SIGKILL to those that take too long. Data stays.
    public Stopped stop() {
        try (LocalHome.Lock _ = home.lock()) {
            Map<String, ProcessHandle> live = running();
            live.values().forEach(ProcessHandle::destroy);
            long end = System.nanoTime() + STOP_PATIENCE.toNanos();
            List<String> killed = new ArrayList<>();
            for (Map.Entry<String, ProcessHandle> e : live.entrySet()) {
                if (!awaitEnd(e.getValue(), end)) {
                    killed.add(e.getKey());
                    e.getValue().destroyForcibly();
                    awaitEnd(e.getValue(), System.nanoTime() + STOP_PATIENCE.toNanos());
                }
                home.pidFile(e.getKey()).delete();
            }
            return new Stopped(live.size(), killed);
        }
    }

    private boolean awaitEnd(ProcessHandle process, long end) {
        while (process.isAlive() && !isZombie(process)) {
            if (System.nanoTime() > end) {
                return false;
            }
            pause();
        }
        return true;
    }

    private static boolean isZombie(ProcessHandle process) {
        Path stat = Path.of("/proc", Long.toString(process.pid()), "stat");
        try {
            String text = Files.readString(stat);
            return text.startsWith("Z", text.lastIndexOf(')') + 2);
        } catch (IOException e) {
            return !process.isAlive();
        }
    }

    static void pause() {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted", e);
        }
    }

    /// Why a process that should run has ended: the last line it printed. Empty while all run.
    public Optional<String> failure() {
        Map<String, ProcessHandle> live = running();
        if (live.containsKey(ALL)) {
            return Optional.empty();
        }
        for (String name : home.nodes()) {
            if (!live.containsKey(name)) {
                return Optional.of(ended(name));
            }
        }
        return Optional.empty();
    }

    /// Why the process of a node has ended: the last line it printed.
    public String ended(String name) {
        return name + " has ended: " + lastLine(name);
    }

    private String lastLine(String name) {
        Path out = home.output(name);
        Path file = Files.exists(out) ? out : home.output(home.nodes().getFirst());
        try {
            String said =
                    Files.readString(file)
                            .lines()
                            .filter(l -> l.startsWith("cistern: "))
                            .reduce((a, b) -> b)
                            .orElse("");
            return said.isEmpty()
                    ? "see " + file + " and node.log beside it"
                    : said.substring("cistern: ".length());
        } catch (IOException e) {
            return "and " + file + " cannot be read: " + e;
        }
    }
}
