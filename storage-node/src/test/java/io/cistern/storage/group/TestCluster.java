package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.raft.GroupId;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.RaftGroups;
import io.cistern.raft.RaftHost;
import io.cistern.raft.RaftHostConfig;
import io.cistern.raft.RaftLogLimits;
import io.cistern.raft.RaftTimings;
import io.cistern.raft.net.RpcClient;
import io.cistern.raft.net.RpcIdentity;
import io.cistern.raft.net.RpcLimits;
import io.cistern.raft.net.RpcLoops;
import io.cistern.raft.net.RpcServer;
import io.cistern.storage.Disk;
import io.cistern.storage.DiskConfig;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// Nodes with real disks, Raft and the node wire on loopback, in this JVM.
final class TestCluster implements AutoCloseable {
    static final GroupId GROUP = new GroupId(1);
    static final RaftTimings TIMINGS =
            new RaftTimings(
                    Duration.ofMillis(400),
                    Duration.ofMillis(800),
                    Duration.ofMillis(150),
                    Duration.ofSeconds(3));
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    /// @param capacityBytes of each disk; 0: what there is
    record Options(int nodes, long capacityBytes, GroupTuning tuning, RaftLogLimits log) {
        static Options of(int nodes) {
            return new Options(
                    nodes,
                    1L << 30,
                    GroupTuning.DEFAULT
                            .withSpaceInterval(Duration.ofMillis(100))
                            .withScrub(1 << 20, Duration.ZERO),
                    RaftLogLimits.DEFAULT);
        }

        Options capacity(long bytes) {
            return new Options(nodes, bytes, tuning, log);
        }

        Options tuning(GroupTuning changed) {
            return new Options(nodes, capacityBytes, changed, log);
        }

        /// Checkpoints and log files so small that a few MiB purge the log, of which nothing is
        /// kept for others.
        Options smallLogs() {
            return new Options(
                    nodes,
                    capacityBytes,
                    tuning.withCheckpointLogBytes(256 << 10).withLogRetentionBytes(0),
                    new RaftLogLimits(256 << 10, 64 << 10, 256 << 10));
        }
    }

    /// A node that can be stopped and started again where it was.
    final class Node {
        final int number;
        final String name;
        final Path directory;
        final RpcLoops loops;
        InetSocketAddress raftAddress = loopback(0);
        InetSocketAddress wireAddress = loopback(0);
        String peer;

        /// From the next start on.
        GroupTuning tuning = options.tuning;

        /// Stands between the replicas and Raft, from the next start on.
        UnaryOperator<RaftGroups> groups = UnaryOperator.identity();

        @Nullable RaftHost raft;
        @Nullable Disk disk;
        @Nullable GroupHost host;
        @Nullable RpcServer server;
        @Nullable RpcClient client;

        Node(int number) {
            this.number = number;
            this.name = "n" + number;
            this.peer = name + ".1";
            this.directory = root.resolve(name);
            this.loops = new RpcLoops("loop-" + name, 1);
        }

        boolean up() {
            return host != null;
        }

        void start(boolean fresh) {
            ReplicaHalt halt = new ReplicaHalt(TestCluster.this::halted);
            RaftHost startedRaft =
                    RaftHost.start(
                            RaftHostConfig.of(name, cluster.toString(), raftAddress, directory)
                                    .withTimings(TIMINGS)
                                    .withLog(options.log)
                                    .withHalt(halt));
            raft = startedRaft;
            raftAddress = startedRaft.address();
            DiskConfig config =
                    DiskConfig.of(directory, cluster, name)
                            .withExtent(4 << 20)
                            .withCapacity(options.capacityBytes)
                            .withHalt(halt);
            disk = fresh ? Disk.format(config) : Disk.open(config);
            RpcIdentity identity = new RpcIdentity(RpcIdentity.SERVICE_NODE, cluster, name);
            RpcServer startedServer = new RpcServer(identity, RpcLimits.DEFAULT, null, loops);
            server = startedServer;
            RpcClient startedClient = new RpcClient(identity, RpcLimits.DEFAULT, null, loops);
            client = startedClient;
            NodePeers peers =
                    new NodePeers(
                            startedClient, other -> node(other).wireAddress, tuning.peerTimeout());
            GroupHost startedHost =
                    new GroupHost(
                            name,
                            groups.apply(startedRaft),
                            peers,
                            tuning,
                            new GroupHost.Cluster(new TestGroups(), halt));
            startedHost.register(startedServer);
            wireAddress = startedServer.bind(wireAddress);
            host = startedHost;
        }

        void open(List<Peer> members) {
            host().open(GROUP, disk(), peer, members);
        }

        GroupHost host() {
            return java.util.Objects.requireNonNull(host);
        }

        Disk disk() {
            return java.util.Objects.requireNonNull(disk);
        }

        @Nullable RaftGroup raftGroup() {
            GroupHost now = host;
            return now == null ? null : now.raft(GROUP);
        }

        Peer asPeer() {
            return new Peer(peer, name, raftAddress, 0);
        }

        ReplicaStatus status() {
            return host().status().getFirst();
        }

        /// Stops without a checkpoint, as a crash of the process would.
        void stop() {
            GroupHost stopping = host;
            if (stopping == null) {
                return;
            }
            host = null;
            java.util.Objects.requireNonNull(server).close();
            stopping.close();
            java.util.Objects.requireNonNull(raft).close();
            disk().close();
            java.util.Objects.requireNonNull(client).close();
        }

        void restart() {
            start(false);
            open(List.of());
        }
    }

    private final class TestGroups implements GroupCluster {
        @Override
        public List<String> nodes(GroupId group) {
            return nodes.stream().filter(Node::up).map(node -> node.name).toList();
        }

        @Override
        public void rebuild(GroupId group, String peer, String reason) {
            rebuilds.put(peer, reason);
        }
    }

    final Map<String, String> rebuilds = new ConcurrentHashMap<>();
    final ConcurrentLinkedQueue<String> halts = new ConcurrentLinkedQueue<>();
    final List<Node> nodes = new ArrayList<>();
    final RpcLoops clientLoops = new RpcLoops("loop-client", 1);
    final RpcClient client;
    private final UUID cluster = UUID.randomUUID();
    private final Path root;
    private final Options options;

    TestCluster(Path root, Options options) {
        this.root = root;
        this.options = options;
        this.client =
                new RpcClient(
                        new RpcIdentity(RpcIdentity.SERVICE_NODE, cluster, "client"),
                        RpcLimits.DEFAULT,
                        null,
                        clientLoops);
        for (int i = 0; i < options.nodes; i++) {
            nodes.add(new Node(i));
        }
        nodes.forEach(node -> node.start(true));
        List<Peer> members = nodes.stream().map(Node::asPeer).toList();
        nodes.forEach(node -> node.open(members));
    }

    private void halted(String message, Throwable cause) {
        cause.printStackTrace();
        halts.add(message + ": " + cause);
    }

    static InetSocketAddress loopback(int port) {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    }

    Node node(String name) {
        return nodes.stream().filter(node -> node.name.equals(name)).findFirst().orElseThrow();
    }

    /// A node that leads and is ready, once there is one.
    Node leader() {
        Node[] found = new Node[1];
        await(
                "a leader",
                () -> {
                    for (Node node : nodes) {
                        RaftGroup raft = node.raftGroup();
                        if (raft != null && raft.leadership().ready()) {
                            found[0] = node;
                            return true;
                        }
                    }
                    return false;
                });
        return found[0];
    }

    Node follower() {
        Node leader = leader();
        return nodes.stream().filter(node -> node != leader && node.up()).findFirst().orElseThrow();
    }

    /// Every node that is up has applied what the leader has now.
    void awaitEven() {
        long target = leader().status().appliedIndex();
        await(
                "all replicas at index " + target,
                () ->
                        nodes.stream()
                                .filter(Node::up)
                                .allMatch(node -> node.status().appliedIndex() >= target));
    }

    void await(String what, BooleanSupplier condition) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            try {
                if (condition.getAsBoolean()) {
                    return;
                }
            } catch (CisternException notYet) {
                // Asked again below, and shown if it never comes about.
                if (System.nanoTime() > deadline) {
                    throw new AssertionError("never came about: " + what + state(), notYet);
                }
            }
            if (System.nanoTime() > deadline) {
                throw new AssertionError(
                        "never came about: " + what + "; halts: " + halts + state());
            }
            Thread.onSpinWait();
            java.util.concurrent.locks.LockSupport.parkNanos(5_000_000);
        }
    }

    /// Which replica is where, a line each.
    private String state() {
        StringBuilder text = new StringBuilder();
        for (Node node : nodes) {
            text.append("\n  ").append(node.name).append(": ");
            RaftGroup raft = node.raftGroup();
            if (raft == null) {
                text.append("down");
                continue;
            }
            try {
                ReplicaStatus status = node.status();
                text.append(status.role()).append(" of ").append(status.leader());
                text.append(", term ").append(status.term());
                text.append(", applied ").append(status.appliedIndex());
                text.append(", checkpoint ").append(status.checkpointIndex());
                text.append(", at open ").append(raft.lastIndexAtOpen());
                text.append(", copy ").append(status.copy());
                text.append(", ").append(raft.leadership());
                text.append(", ").append(raft.stats());
            } catch (CisternException e) {
                text.append(e.getMessage());
            }
        }
        return text.toString();
    }

    /// A stub for the replica of `node`, over the wire.
    RemoteVolumeGroup remote(Node node) {
        return new RemoteVolumeGroup(client, node.wireAddress, GROUP, Duration.ofSeconds(2));
    }

    @Override
    public void close() {
        client.close();
        nodes.forEach(Node::stop);
        nodes.forEach(node -> node.loops.close());
        clientLoops.close();
    }
}
