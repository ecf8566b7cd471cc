package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Halt;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftHost;
import io.cistern.raft.RaftHostConfig;
import io.cistern.raft.RaftTimings;
import io.cistern.raft.net.RpcClient;
import io.cistern.raft.net.RpcIdentity;
import io.cistern.raft.net.RpcLimits;
import io.cistern.raft.net.RpcLoops;
import io.cistern.raft.net.RpcServer;
import io.cistern.storage.group.GroupCluster;
import io.cistern.storage.group.GroupHost;
import io.cistern.storage.group.GroupTuning;
import io.cistern.storage.group.NodePeers;
import io.cistern.storage.group.ReplicaHalt;
import io.cistern.volume.ClientConfig;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.ClusterClient;
import io.cistern.volume.ClusterNode;
import io.cistern.volume.ExportView;
import io.cistern.volume.Images;
import io.cistern.volume.IscsiExport;
import io.cistern.volume.NodeConfig;
import io.cistern.volume.NodeConfig.InitialNode;
import io.cistern.volume.ShareUse;
import io.cistern.volume.client.Client;
import io.cistern.volume.client.Waits;
import io.cistern.volume.image.ImageService;
import io.cistern.volume.node.LocalNode.SystemParts;
import io.cistern.volume.node.NodeFile.LocalReplica;
import io.cistern.volume.system.Level;
import io.cistern.volume.system.SystemState;
import io.netty.buffer.ByteBufUtil;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A node: everything put together.
public final class NodeHost implements ClusterNode {
    private static final Logger log = LoggerFactory.getLogger(NodeHost.class);
    private static final Duration FETCH = Duration.ofSeconds(30);
    private static final long PERIOD_MILLIS = 200;
    private static final long IDLE_MILLIS = 1000;

    private final NodeConfig config;
    private final String clusterId;
    private final InitialNode self;
    private final LocalNode local;
    private final RpcLoops loops;
    private final RpcServer server;
    private final RpcClient rpc;
    private final RaftHost raft;
    private final GroupHost host;
    private final Catalog catalog;
    private final SystemClient systemClient;
    private final Client client;
    private final Cluster cluster;
    private final Work work;
    private final Reporter reporter;
    private final WireService service;
    private final AdminService admin;
    private final ImageService images;
    private final ExportMonitor exports;
    private final List<Thread> threads = new CopyOnWriteArrayList<>();

    /// What is to be closed, the last first.
    private final Deque<AutoCloseable> parts = new ArrayDeque<>();

    /// Of the last change that [#changed] has told of; the catalog's thread, or who learns for it.
    private volatile SystemState lookedAt = SystemState.EMPTY;

    private volatile boolean closed;

    /// Starts a node; failures of writing halt the process.
    ///
    /// @throws CisternException INVALID (a disk of another cluster or node, no formation for an
    ///   empty disk), BUSY (a port or a disk is taken), CORRUPT, IO, UNAUTHORIZED (join token)
    public static NodeHost start(NodeConfig config) {
        return start(config, Halt.process());
    }

    /// @param halt called where the process must stop; tests put something else there
    public static NodeHost start(NodeConfig config, Halt halt) {
        return start(config, halt, Level.NEWEST);
    }

    /// @param level the newest format level that the node says it knows; tests let it be an older
    ///   program
    static NodeHost start(NodeConfig config, Halt halt, int level) {
        return new NodeHost(config, new ReplicaHalt(halt), level);
    }

    /// The cluster that a node's first disk belongs to; empty where it holds no node.
    ///
    /// @throws CisternException CORRUPT, IO
    public static Optional<String> clusterOf(Path disk) {
        return Optional.ofNullable(NodeFile.load(disk)).map(NodeFile::clusterId);
    }

    /// @throws CisternException INVALID where this is no join token
    public static void checkJoinToken(String text) {
        JoinToken.parse(text);
    }

    private NodeHost(NodeConfig config, ReplicaHalt halt, int level) {
        this.config = config;
        try {
            Path home = config.disks().getFirst().path();
            Formations.Start start = Formations.prepare(config, home, level);
            this.clusterId = start.file().clusterId();
            this.loops = opened(new RpcLoops("wire-" + config.name(), 2));
            this.local = opened(new LocalNode(home, start.file(), config, halt));
            NodeLinks.Wire wire =
                    new NodeLinks.Wire(
                            new RpcIdentity(
                                    RpcIdentity.SERVICE_NODE,
                                    UUID.fromString(clusterId),
                                    config.name()),
                            NodeLinks.LIMITS,
                            Formations.tls(config),
                            loops);
            this.rpc = opened(wire.client());
            this.raft = opened(RaftHost.start(raftConfig(home, halt)));
            this.catalog = new Catalog(config.name(), start.seeds(), this::newest);
            this.systemClient =
                    new SystemClient(rpc, catalog::systemMembers, catalog::state, local::system);
            this.host = opened(newHost(halt));
            Levels.use(host, local.file().level());
            LocalNode.Replicas hosts =
                    new LocalNode.Replicas(host, opened(new WitnessReplicas(home, raft, halt)));
            this.server =
                    opened(new RpcServer(wire.identity(), RpcLimits.DEFAULT, wire.tls(), loops));
            server.starting();
            InetSocketAddress bound = server.bind(config.wire());
            this.self =
                    new InitialNode(
                            config.name(), config.zone(), bound, raft.address(), config.api());
            this.client = opened(newClient(wire));
            this.cluster = new Cluster(catalog, systemClient, rpc, client);
            this.work = new Work(config.name());
            this.reporter = new Reporter(local, hosts, catalog, work, level);
            this.service =
                    opened(
                            new WireService(
                                    local, host, work, reporter::report, catalog::othersKnow));
            this.admin = new AdminService(cluster, clusterId, work::run);
            this.images = new ImageService(admin, client, work::run);
            this.exports = new ExportMonitor(cluster);
            run(start, hosts);
        } catch (RuntimeException e) {
            closed = true;
            threads.forEach(Thread::interrupt);
            closeParts();
            throw e;
        }
    }

    private <T extends AutoCloseable> T opened(T part) {
        parts.push(part);
        return part;
    }

    private GroupHost newHost(ReplicaHalt halt) {
        return new GroupHost(
                config.name(),
                raft,
                new NodePeers(rpc, catalog::wire, GroupTuning.DEFAULT.peerTimeout()),
                GroupTuning.DEFAULT.withCheckpointLogBytes(config.tuning().checkpointBytes()),
                new GroupHost.Cluster(new Neighbours(), halt));
    }

    private Client newClient(NodeLinks.Wire wire) {
        ClientConfig how = ClientConfig.of(List.of(), clusterId);
        NodeLinks links =
                new NodeLinks(
                        wire,
                        catalog,
                        how.requestTimeout(),
                        name -> Cluster.location(fresh(), name),
                        host);
        return new Client(links, how, links::close);
    }

    private SystemState fresh() {
        return cluster.fresh();
    }

    private RaftHostConfig raftConfig(Path home, Halt halt) {
        int election = config.tuning().electionMillis();
        return RaftHostConfig.of(config.name(), clusterId, config.raft(), home)
                .withTimings(
                        new RaftTimings(
                                Duration.ofMillis(election),
                                Duration.ofMillis(election * 9L / 5),
                                Duration.ofMillis(election * 2L / 5),
                                RaftTimings.DEFAULT.request()))
                .withTls(Formations.tls(config))
                .withHalt(halt);
    }

    private void run(Formations.Start start, LocalNode.Replicas hosts) {
        SystemParts system = new SystemParts(raft, this::fetchState, catalog::wake);
        Caretaker.Self addresses =
                new Caretaker.Self(Addresses.text(self.wire()), Addresses.text(self.raft()));
        for (LocalReplica replica : local.file().replicas()) {
            if (replica.group() == 0) {
                local.openSystem(replica, system);
            } else {
                local.openData(replica, hosts);
            }
        }
        // Only now: a node that does not answer yet is starting, one that answers without a replica
        // has lost it.
        host.register(server);
        service.register(server);
        server.started();
        catalog.start();
        Caretaker caretaker =
                new Caretaker(
                        config, addresses, local, cluster, new Caretaker.Hosts(hosts, system));
        Reconciler reconciler = new Reconciler(local, cluster, work, start.form(), this::lookSoon);
        regularly("caretaker", () -> caretaker.step(catalog.state()));
        Orphans orphans = new Orphans(host, cluster);
        regularly("reconciler", reconciler::step);
        catalog.onChange(exports::changed);
        opened(exports).start();
        regularly("orphans", orphans::step);
        catalog.onChange(this::changed);
        log.info("node {} of cluster {} is up: wire {}", config.name(), clusterId, self.wire());
    }

    /// Wakes those who look after nodes and groups. Volumes come and go without them, many in a
    /// second at times, and each look asks all nodes for reports.
    private void changed() {
        SystemState now = catalog.state();
        if (!now.sameButForVolumes(lookedAt)) {
            lookedAt = now;
            lookSoon();
        }
    }

    private void lookSoon() {
        threads.forEach(LockSupport::unpark);
    }

    private void regularly(String what, Runnable step) {
        threads.add(
                Thread.ofVirtual()
                        .name(what + "-" + config.name())
                        .start(() -> {
                            while (!closed) {
                                try {
                                    step.run();
                                    rest();
                                } catch (RuntimeException e) {
                                    failed(what, e);
                                }
                            }
                        }));
    }

    /// Until something changes, or for a while.
    private void rest() {
        LockSupport.parkNanos(
                TimeUnit.MILLISECONDS.toNanos(
                        Reconciler.settled(catalog.state()) ? IDLE_MILLIS : PERIOD_MILLIS));
    }

    private void failed(String what, RuntimeException e) {
        if (!closed) {
            log.warn("the {} of {} failed and goes on", what, config.name(), e);
            SystemClient.pause();
        }
    }

    /// The newest state: that of the replica here, or what others know.
    private @Nullable SystemState newest(SystemState known) {
        SystemGroup here = local.system();
        if (here != null) {
            SystemState state = here.machine().state();
            return state.clusterId().isEmpty() ? null : state;
        }
        SystemState found = systemClient.newer(known.version(), Duration.ofSeconds(2)).orElse(null);
        return found == null || found.clusterId().isEmpty() ? null : found;
    }

    private CompletableFuture<byte[]> fetchState(Peer leader) {
        InetSocketAddress address = catalog.wire(leader.node());
        if (address == null) {
            return CompletableFuture.failedFuture(
                    new CisternException(
                            ErrorCode.UNAVAILABLE, "where " + leader.node() + " is, is unknown"));
        }
        return new StateRequest(-1, false)
                .ask(rpc, address, FETCH)
                .thenApply(answer -> {
                    try {
                        return ByteBufUtil.getBytes(answer);
                    } finally {
                        answer.release();
                    }
                });
    }

    /// What the data groups ask about the cluster.
    private final class Neighbours implements GroupCluster {
        @Override
        public List<String> nodes(GroupId group) {
            SystemState.Group known = catalog.state().groups().get(group.value());
            return known == null
                    ? List.of()
                    : known.dataVoters().stream().map(SystemState.Replica::node).toList();
        }

        @Override
        public void rebuild(GroupId group, String peer, String reason) {
            log.error("{} of {} will be rebuilt under a new identity: {}", peer, group, reason);
            catalog.wake();
        }
    }

    /// For tests.
    Cluster cluster() {
        return cluster;
    }

    /// For tests.
    GroupHost groups() {
        return host;
    }

    @Override
    public String name() {
        return config.name();
    }

    @Override
    public String clusterId() {
        return clusterId;
    }

    @Override
    public InitialNode self() {
        return self;
    }

    @Override
    public ClusterAdmin admin() {
        return admin;
    }

    @Override
    public ClusterClient client() {
        return client;
    }

    @Override
    public Images images() {
        return images;
    }

    @Override
    public ExportView exports() {
        return exports;
    }

    @Override
    public void showSessions(Supplier<List<IscsiExport.Session>> sessions) {
        service.show(sessions);
    }

    @Override
    public void showShareUse(Supplier<ShareUse> use) {
        service.showShareUse(use);
    }

    @Override
    public List<Sample> metrics() {
        return reporter.metrics();
    }

    @Override
    public void awaitReady(Duration timeout) {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (true) {
            try {
                if (ready()) {
                    return;
                }
            } catch (CisternException e) {
                log.debug("not ready: {}", e.getMessage());
            }
            if (System.nanoTime() - deadline >= 0) {
                throw new CisternException(
                        ErrorCode.UNAVAILABLE,
                        "the cluster is not ready after "
                                + timeout.toSeconds()
                                + " s: "
                                + String.join("; ", admin.status().reasons()));
            }
            SystemClient.pause();
        }
    }

    private boolean ready() {
        SystemState state = systemClient.fresh(Duration.ofSeconds(2));
        catalog.learned(state);
        for (SystemState.Group group : state.groups().values()) {
            if (group.id() != 0 && group.ready() && state.nodes().containsKey(name())) {
                return serves(group.id());
            }
        }
        return false;
    }

    /// A leader answers that it has no volume 0.
    private boolean serves(long group) {
        try {
            Waits.get(client.control(group, g -> g.describe(0), null), Duration.ofSeconds(2));
            return true;
        } catch (CisternException e) {
            return e.code() == ErrorCode.NOT_FOUND;
        }
    }

    @Override
    public void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
        }
        threads.forEach(Thread::interrupt);
        Handover.all(raft);
        catalog.close();
        closeParts();
        log.info("node {} has stopped", config.name());
    }

    private void closeParts() {
        for (AutoCloseable part = parts.poll(); part != null; part = parts.poll()) {
            try {
                part.close();
            } catch (Exception e) {
                log.warn("closing a part of node {}", config.name(), e);
            }
        }
    }
}
