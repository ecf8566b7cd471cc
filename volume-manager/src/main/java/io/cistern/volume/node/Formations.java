package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Names;
import io.cistern.raft.net.RpcClient;
import io.cistern.raft.net.RpcIdentity;
import io.cistern.raft.net.RpcLimits;
import io.cistern.raft.net.RpcLoops;
import io.cistern.raft.net.TlsConfig;
import io.cistern.volume.NodeConfig;
import io.cistern.volume.NodeConfig.Formation.Bootstrap;
import io.cistern.volume.NodeConfig.Formation.Join;
import io.cistern.volume.NodeConfig.InitialNode;
import io.cistern.volume.TlsFiles;
import io.cistern.volume.client.Waits;
import io.cistern.volume.node.NodeFile.LocalDisk;
import io.cistern.volume.node.NodeFile.LocalReplica;
import io.cistern.volume.system.Level;
import io.cistern.volume.system.SystemCodec;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Disk;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Settings;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// How a node comes to its file: from its disk, by forming a cluster, or by joining one.
final class Formations {
    private static final Duration KNOWN = Duration.ofSeconds(2);
    private static final int SYSTEM_MEMBERS = 3;

    private static final Logger log = LoggerFactory.getLogger(Formations.class);

    private Formations() {}

    /// @param form what the system leader proposes where no cluster is formed yet; without nodes
    ///   where this node would not know
    /// @param seeds node wire addresses known by themselves
    record Start(NodeFile file, SystemCommand.Form form, Map<String, InetSocketAddress> seeds) {}

    /// Loads the node's file, or makes and stores one.
    ///
    /// @param level the newest format level that this program knows
    /// @throws CisternException INVALID: another node's file, or none and no formation; a cluster
    ///   at a higher level
    static Start prepare(NodeConfig config, Path home, int level) {
        Names.check("node name", config.name());
        NodeFile known = NodeFile.load(home);
        if (known != null) {
            Level.require(known.level(), level, "the cluster of " + home);
        }
        if (known != null && !known.name().equals(config.name())) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    home
                            + " belongs to node '"
                            + known.name()
                            + "', not to '"
                            + config.name()
                            + "'; start it under that name or choose another directory");
        }
        if (known != null && known.next() != null) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "the rescue of "
                            + home
                            + " was interrupted; run 'cistern node rescue' again to finish it");
        }
        if (known != null && known.witness() != config.witness()) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    home
                            + " belongs to "
                            + (known.witness() ? "a witness" : "a node with data")
                            + ", and stays one: change the configuration, or choose another directory");
        }
        if (known != null) {
            known.mend(home);
        }
        if (known != null
                && config.formation() instanceof Bootstrap b
                && known.former() != null
                && known.former().contains(b.clusterId())) {
            return new Start(known, noForm(known.clusterId()), seeds(known));
        }
        if (known != null
                && config.formation() instanceof Bootstrap b
                && !b.clusterId().equals(known.clusterId())) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    home
                            + " belongs to cluster "
                            + known.clusterId()
                            + ", not to "
                            + b.clusterId()
                            + "; choose another directory");
        }
        return switch (config.formation()) {
            case Bootstrap b -> bootstrap(config, home, known, b);
            case Join j when known == null -> join(config, home, j, level);
            case null, default -> {
                if (known == null) {
                    throw new CisternException(
                            ErrorCode.INVALID,
                            home
                                    + " holds no node, and the configuration does not say whether to form or to join a cluster");
                }
                yield new Start(known, noForm(known.clusterId()), seeds(known));
            }
        };
    }

    private static Start bootstrap(
            NodeConfig config, Path home, @Nullable NodeFile known, Bootstrap how) {
        requireUuid(how.clusterId());
        if (config.witness()) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "a witness does not form a cluster: form it of the nodes with data, then let the witness join by a token");
        }
        if (how.nodes().stream().noneMatch(n -> n.name().equals(config.name()))) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "node '" + config.name() + "' is not among the nodes that form the cluster");
        }
        int members = how.nodes().size() >= SYSTEM_MEMBERS ? SYSTEM_MEMBERS : 1;
        List<InitialNode> first = how.nodes().subList(0, members);
        NodeFile file = known;
        if (file == null) {
            List<LocalReplica> replicas = new ArrayList<>();
            boolean member = first.stream().anyMatch(n -> n.name().equals(config.name()));
            if (member && !livedBefore(config, how)) {
                replicas.add(
                        new LocalReplica(
                                0,
                                config.name() + ".1",
                                0,
                                first.stream()
                                        .map(n ->
                                                new NodeOrder.Place(
                                                        n.name() + ".1",
                                                        n.name(),
                                                        Addresses.text(n.raft())))
                                        .toList()));
            }
            TreeMap<String, String> nodes = new TreeMap<>();
            how.nodes().forEach(n -> nodes.put(n.name(), Addresses.text(n.wire())));
            file = create(config, home, how.clusterId(), replicas, nodes);
        }
        SystemCommand.Form form =
                new SystemCommand.Form(
                        Cluster.request(),
                        how.clusterId(),
                        new Settings(config.tuning().nodesPerGroup()),
                        how.nodes().stream().map(n -> node(n, false)).toList(),
                        first.stream().map(InitialNode::name).toList());
        return new Start(file, form, seeds(file));
    }

    /// Whether the cluster knows this node as one that has held replicas: then its first disk was
    /// wiped or replaced, and it must not take part again as who it was, since what it has voted
    /// for and acknowledged is forgotten here. The others give it new replicas.
    ///
    /// Where no other node answers, the cluster is taken to be formed now.
    private static boolean livedBefore(NodeConfig config, Bootstrap how) {
        RpcIdentity identity =
                new RpcIdentity(
                        RpcIdentity.SERVICE_NODE, UUID.fromString(how.clusterId()), config.name());
        try (RpcLoops loops = new RpcLoops("ask-" + config.name(), 1);
                RpcClient rpc = new RpcClient(identity, RpcLimits.DEFAULT, tls(config), loops)) {
            List<CompletableFuture<Boolean>> answers = new ArrayList<>();
            for (InitialNode other : how.nodes()) {
                if (!other.name().equals(config.name()) && listens(other.wire())) {
                    answers.add(
                            rpc.call(
                                            other.wire(),
                                            Opcodes.STATE,
                                            KNOWN,
                                            Unpooled.buffer(9).writeLong(-1).writeByte(0))
                                    .thenApply(answer -> livedBefore(config.name(), answer)));
                }
            }
            for (CompletableFuture<Boolean> answer : answers) {
                try {
                    if (Waits.get(answer, KNOWN)) {
                        log.warn(
                                "node {} was part of the cluster and its first disk is empty: it gets new replicas",
                                config.name());
                        return true;
                    }
                } catch (CisternException e) {
                    log.debug("a node does not know: {}", e.getMessage());
                }
            }
            return false;
        }
    }

    /// Spares the first start of a cluster the time-outs of nodes that do not run yet.
    private static boolean listens(InetSocketAddress address) {
        try (Socket socket = new Socket()) {
            socket.connect(
                    new InetSocketAddress(address.getHostString(), address.getPort()),
                    (int) KNOWN.toMillis() / 2);
            return true;
        } catch (IOException nobody) {
            return false;
        }
    }

    private static boolean livedBefore(String name, ByteBuf answer) {
        try {
            if (!answer.isReadable()) {
                return false;
            }
            SystemState state =
                    SystemCodec.decodeCheckpoint(ByteBufUtil.getBytes(answer), "a node's answer")
                            .state();
            Node known = state.nodes().get(name);
            Group system = state.groups().get(0L);
            boolean first = system != null && system.replica(name + ".1") != null;
            return known != null && known.nextGeneration() > (first ? 2 : 1);
        } finally {
            answer.release();
        }
    }

    /// A node as the others first know it: its disks follow when it says itself what it has.
    private static Node node(InitialNode n, boolean witness) {
        return new Node(
                n.name(),
                n.zone(),
                n.api(),
                Addresses.text(n.wire()),
                Addresses.text(n.raft()),
                null,
                null,
                false,
                1,
                1,
                witness ? List.of() : List.of(new Disk(0, "", 0, false)));
    }

    static void requireUuid(String id) {
        try {
            UUID.fromString(id);
        } catch (IllegalArgumentException e) {
            throw new CisternException(
                    ErrorCode.INVALID, "'" + id + "' is not a cluster id: write a UUID", e);
        }
    }

    private static NodeFile create(
            NodeConfig config,
            Path home,
            String cluster,
            List<LocalReplica> replicas,
            TreeMap<String, String> nodes) {
        NodeConfig.DiskSpec spec = config.disks().getFirst();
        LocalDisk first =
                new LocalDisk(0, spec.path().toAbsolutePath().toString(), spec.sizeBytes());
        NodeFile file =
                new NodeFile(
                        NodeFile.FORMAT,
                        cluster,
                        config.name(),
                        config.witness() ? List.of() : List.of(first),
                        replicas,
                        nodes,
                        null,
                        null);
        if (!config.witness()) {
            LocalNode.format(file, first);
        }
        file.store(home);
        return file;
    }

    private static Start join(NodeConfig config, Path home, Join how, int level) {
        JoinToken token = JoinToken.parse(how.token());
        Map<String, InetSocketAddress> seeds = new HashMap<>();
        token.seeds().forEach(seed -> seeds.put(seed, Addresses.parse(seed)));
        RpcIdentity identity =
                new RpcIdentity(
                        RpcIdentity.SERVICE_NODE,
                        UUID.fromString(token.clusterId()),
                        config.name());
        Node node =
                node(
                        new InitialNode(
                                config.name(),
                                config.zone(),
                                config.wire(),
                                config.raft(),
                                config.api()),
                        config.witness());
        try (RpcLoops loops = new RpcLoops("join-" + config.name(), 1);
                RpcClient rpc = new RpcClient(identity, RpcLimits.DEFAULT, tls(config), loops)) {
            new Joining(rpc, List.copyOf(seeds.values()), level).join(token.hash(), node);
        }
        TreeMap<String, String> nodes = new TreeMap<>();
        token.seeds().forEach(seed -> nodes.put(seed, seed));
        NodeFile file = create(config, home, token.clusterId(), List.of(), nodes);
        return new Start(file, noForm(token.clusterId()), seeds);
    }

    private static SystemCommand.Form noForm(String clusterId) {
        return new SystemCommand.Form("", clusterId, Settings.DEFAULT, List.of(), List.of());
    }

    private static Map<String, InetSocketAddress> seeds(NodeFile file) {
        Map<String, InetSocketAddress> seeds = new HashMap<>();
        file.nodes().forEach((name, address) -> seeds.put(name, Addresses.parse(address)));
        return seeds;
    }

    static @Nullable TlsConfig tls(NodeConfig config) {
        return tls(config.tls());
    }

    static @Nullable TlsConfig tls(@Nullable TlsFiles files) {
        return files == null
                ? null
                : new TlsConfig(files.certificate(), files.key(), files.authority());
    }
}
