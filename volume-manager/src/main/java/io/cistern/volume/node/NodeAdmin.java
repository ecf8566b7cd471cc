package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Size;
import io.cistern.volume.ClusterAdmin.VerifyReport;
import io.cistern.volume.ClusterPolicy;
import io.cistern.volume.ClusterStatus.DiskInfo;
import io.cistern.volume.ClusterStatus.NodeInfo;
import io.cistern.volume.Progress;
import io.cistern.volume.system.Level;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Phase;
import io.cistern.volume.system.SystemState.Policy;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Volume;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// Nodes, disks and checks, see [io.cistern.volume.ClusterAdmin].
final class NodeAdmin {
    private static final Duration TOKEN_LIFE = Duration.ofHours(1);
    private static final Duration VERIFY = Duration.ofDays(7);
    private static final Duration REMOVED_SOON = Duration.ofSeconds(20);

    /// So long a group may be without a leader to compare its replicas.
    private static final long LEADERLESS_NANOS = 10_000_000_000L;

    private final Cluster cluster;
    private final StatusView view;

    NodeAdmin(Cluster cluster, StatusView view) {
        this.cluster = cluster;
        this.view = view;
    }

    List<NodeInfo> nodes() {
        SystemState state = cluster.fresh();
        return view.nodes(state, cluster.reports());
    }

    private NodeInfo node(String name) {
        return nodes().stream()
                .filter(n -> n.name().equals(name))
                .findFirst()
                .orElseThrow(() -> unknownNode(name));
    }

    private static CisternException unknownNode(String name) {
        return new CisternException(
                ErrorCode.NOT_FOUND, "there is no node '" + name + "'; see 'cistern node list'");
    }

    private long propose(SystemCommand command) {
        return cluster.system().propose(command, Cluster.CONTROL);
    }

    String createToken() {
        SystemState state = cluster.fresh();
        JoinToken token =
                JoinToken.create(
                        state.clusterId(),
                        state.nodes().values().stream().map(Node::wire).toList());
        long now = System.currentTimeMillis();
        propose(
                new SystemCommand.AddToken(
                        Cluster.request(), token.hash(), now + TOKEN_LIFE.toMillis(), now));
        return token.text();
    }

    NodeInfo drain(String name) {
        SystemState state = cluster.fresh();
        if (!state.nodes().containsKey(name)) {
            throw unknownNode(name);
        }
        requireOtherWitness(state, name);
        for (Group group : state.groups().values()) {
            if (group.dataVoters().stream().noneMatch(r -> r.node().equals(name))) {
                continue;
            }
            long left =
                    state.nodes().values().stream()
                            .filter(n -> group.id() == 0 || !n.witness())
                            .filter(n -> !n.draining() && !n.name().equals(name))
                            .count();
            if (left < group.dataVoters().size()) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        "without '"
                                + name
                                + "' there would be "
                                + left
                                + " nodes for the "
                                + group.dataVoters().size()
                                + " replicas of g"
                                + group.id()
                                + "; add a node first");
            }
        }
        requireRoom(state, Set.of(name), r -> r.node().equals(name), "'" + name + "'");
        propose(new SystemCommand.DrainNode(Cluster.request(), name, true));
        return node(name);
    }

    /// Refuses where a group would lose its witness.
    private static void requireOtherWitness(SystemState state, String name) {
        boolean other =
                state.nodes().values().stream()
                        .anyMatch(n -> n.witness() && !n.draining() && !n.name().equals(name));
        for (Group group : state.groups().values()) {
            boolean here =
                    group.voters().stream().anyMatch(r -> r.witness() && r.node().equals(name));
            if (here && !other) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        "'"
                                + name
                                + "' is the only witness, and g"
                                + group.id()
                                + " needs one; add another first");
            }
        }
    }

    NodeInfo keep(String name) {
        propose(new SystemCommand.DrainNode(Cluster.request(), name, false));
        return node(name);
    }

    /// Refuses what could not be moved: the others have no room for it.
    private void requireRoom(
            SystemState state, Set<String> nodes, Predicate<Replica> leaves, String what) {
        Map<String, NodeReport> reports = cluster.reports();
        long bytes = 0;
        for (Group group : state.groups().values()) {
            if (group.dataVoters().stream().anyMatch(leaves)) {
                bytes += Spread.bytes(group, reports);
            }
        }
        long free = 0;
        for (Node other : state.nodes().values()) {
            for (SystemState.Disk disk : other.disks()) {
                if (!other.draining() && !nodes.contains(other.name()) && !disk.draining()) {
                    free += Placement.free(other, disk.number(), reports);
                }
            }
        }
        if (bytes > free) {
            throw new CisternException(
                    ErrorCode.NO_SPACE,
                    what
                            + " holds "
                            + Size.format(bytes)
                            + ", and the other nodes have "
                            + Size.format(free)
                            + " free; add a node or a disk first");
        }
    }

    ClusterPolicy policy() {
        Policy now = cluster.fresh().policy();
        return new ClusterPolicy(
                now.rebuildAfterSeconds(), now.balance(), now.copyBytesPerSecond());
    }

    ClusterPolicy setPolicy(ClusterPolicy policy) {
        propose(
                new SystemCommand.SetPolicy(
                        Cluster.request(),
                        new Policy(
                                policy.rebuildAfterSeconds(),
                                policy.balance(),
                                policy.copyBytesPerSecond())));
        return policy();
    }

    void remove(String name) {
        propose(new SystemCommand.RemoveNode(Cluster.request(), name));
    }

    List<DiskInfo> disks() {
        return nodes().stream().flatMap(n -> n.disks().stream()).toList();
    }

    DiskInfo addDisk(String node, String path, long sizeBytes) {
        if (sizeBytes < 0 || !Path.of(path).isAbsolute()) {
            throw new CisternException(
                    ErrorCode.INVALID, "'" + path + "' is not an absolute path of a directory");
        }
        if (node(node).state() == io.cistern.volume.ClusterStatus.NodeState.DOWN) {
            throw new CisternException(
                    ErrorCode.UNAVAILABLE, "node '" + node + "' is down; start it first");
        }
        long number = propose(new SystemCommand.AddDisk(Cluster.request(), node, path, sizeBytes));
        String id = node + "/" + number;
        long deadline = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        while (System.nanoTime() - deadline < 0) {
            for (DiskInfo disk : disks()) {
                if (disk.id().equals(id) && disk.error() != null) {
                    propose(new SystemCommand.RemoveDisk(Cluster.request(), node, (int) number));
                    throw new CisternException(
                            ErrorCode.INVALID, "cannot use " + path + ": " + disk.error());
                }
                if (disk.id().equals(id) && disk.totalBytes() > 0) {
                    return disk;
                }
            }
            SystemClient.pause();
        }
        throw new CisternException(
                ErrorCode.UNAVAILABLE,
                "node '" + node + "' has not taken " + path + " into use yet");
    }

    /// @return false where it is still being emptied
    boolean removeDisk(String id) {
        int slash = id.lastIndexOf('/');
        String node = slash < 0 ? id : id.substring(0, slash);
        int number;
        try {
            number = Integer.parseInt(id.substring(slash + 1));
        } catch (NumberFormatException e) {
            throw new CisternException(
                    ErrorCode.INVALID, "'" + id + "' is not a disk: write NODE/NUMBER", e);
        }
        SystemState state = cluster.fresh();
        if (number != 0) { // that one is refused by the rules
            requireOtherDisk(state, node, number);
        }
        propose(new SystemCommand.DrainDisk(Cluster.request(), node, number));
        // The system leader removes it once it is empty; most often that is soon.
        long deadline = System.nanoTime() + REMOVED_SOON.toNanos();
        while (System.nanoTime() - deadline < 0) {
            Node now = cluster.fresh().nodes().get(node);
            if (now == null || now.disks().stream().noneMatch(d -> d.number() == number)) {
                return true;
            }
            SystemClient.pause();
        }
        return false;
    }

    /// Refuses where what is on the disk has nowhere to go.
    private void requireOtherDisk(SystemState state, String name, int number) {
        Predicate<Replica> here = r -> r.node().equals(name) && r.disk() == number;
        Map<String, NodeReport> reports = cluster.reports();
        for (Group group : state.groups().values()) {
            Replica leaving = group.voters().stream().filter(here).findFirst().orElse(null);
            if (leaving == null) {
                continue;
            }
            Node node = state.nodes().get(name);
            boolean beside =
                    node != null
                            && !node.draining()
                            && node.disks().stream()
                                    .anyMatch(d ->
                                            d.number() != number
                                                    && !d.draining()
                                                    && Placement.free(node, d.number(), reports)
                                                            > Spread.bytes(group, reports));
            if (!beside && Placement.forReplica(state, reports, group, null) == null) {
                throw new CisternException(
                        ErrorCode.NO_SPACE,
                        "no other disk of '"
                                + name
                                + "' and no other node has room for what "
                                + name
                                + "/"
                                + number
                                + " holds of g"
                                + group.id()
                                + "; add a disk or a node first");
            }
        }
    }

    // ---- checks

    void scrub(@Nullable String name) {
        SystemState state = cluster.fresh();
        Volume volume = name == null ? null : Cluster.ready(state, name);
        int asked = 0;
        for (Group group : state.groups().values()) {
            if (group.id() == 0 || (volume != null && volume.group() != group.id())) {
                continue;
            }
            for (Replica replica : group.dataVoters()) {
                try {
                    cluster.order(
                            replica.node(),
                            new NodeOrder.Scrub(group.id(), volume == null ? 0 : volume.id()));
                    asked++;
                } catch (CisternException e) {
                    org.slf4j.LoggerFactory.getLogger(NodeAdmin.class)
                            .warn("no scrub on {}: {}", replica.node(), e.getMessage());
                }
            }
        }
        if (asked == 0) {
            throw new CisternException(ErrorCode.UNAVAILABLE, "no replica could be asked");
        }
    }

    VerifyReport verify(@Nullable String name, Progress progress) {
        SystemState state = cluster.fresh();
        List<Volume> chosen =
                name == null
                        ? state.volumes().values().stream()
                                .filter(v -> v.phase() == Phase.READY)
                                .toList()
                        : List.of(Cluster.ready(state, name));
        long[] before = repairs();
        Verification run = new Verification(state, chosen, progress);
        run.begin();
        for (Volume volume : chosen) {
            run.add(volume.sizeBytes(), verify(state, volume), volume.id());
        }
        long share = run.share();
        Set<String> older = Set.copyOf(Levels.older(cluster.reports(), Level.COMPARISONS));
        for (Group group : run.groups()) {
            run.add(share, comparable(group, older) ? replicas(group) : NodeOrder.Done.NOTHING);
        }
        for (String node : run.nodes()) {
            run.add(0, older.contains(node) ? NodeOrder.Done.NOTHING : books(node));
        }
        long[] after = repairs();
        return new VerifyReport(
                chosen.size(),
                run.bytes(),
                after[0] - before[0],
                after[1] - before[1],
                run.findings(),
                leftOut(run, older));
    }

    private static boolean comparable(Group group, Set<String> older) {
        return group.dataVoters().stream().noneMatch(r -> older.contains(r.node()));
    }

    /// What nodes of an older release were not asked for.
    private static List<String> leftOut(Verification run, Set<String> older) {
        List<String> nodes = run.nodes().stream().filter(older::contains).sorted().toList();
        return nodes.isEmpty()
                ? List.of()
                : List.of(
                        Levels.runOlder(nodes)
                                + " that cannot compare the rows of replicas and the books of disks:"
                                + " only volumes were read and compared; verify again when all"
                                + " nodes have been upgraded");
    }

    private NodeOrder.Done replicas(Group group) {
        CisternException last =
                new CisternException(ErrorCode.UNAVAILABLE, "g" + group.id() + " has no replica");
        long deadline = System.nanoTime() + LEADERLESS_NANOS;
        do {
            for (Replica replica : group.dataVoters()) {
                try {
                    return cluster.order(replica.node(), new NodeOrder.Check(group.id()), VERIFY);
                } catch (CisternException e) {
                    if (e.code() == ErrorCode.BUSY) {
                        // Another verification compares it: that looks at what was before this one.
                        deadline = System.nanoTime() + LEADERLESS_NANOS;
                    }
                    boolean other = e.code() == ErrorCode.NOT_LEADER;
                    last = other && last.code() != ErrorCode.NOT_LEADER ? last : e;
                }
            }
        } while (System.nanoTime() < deadline && pause());
        return new NodeOrder.Done(
                0,
                List.of(
                        "g"
                                + group.id()
                                + ": its replicas could not be asked and compared: "
                                + last.getMessage()));
    }

    private static boolean pause() {
        try {
            Thread.sleep(100);
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private NodeOrder.Done books(String node) {
        try {
            return cluster.order(node, new NodeOrder.Books(node), VERIFY);
        } catch (CisternException e) {
            return new NodeOrder.Done(
                    0,
                    List.of("the books of " + node + " could not be asked for: " + e.getMessage()));
        }
    }

    private NodeOrder.Done verify(SystemState state, Volume volume) {
        Group group = Objects.requireNonNull(state.groups().get(volume.group()));
        CisternException last =
                new CisternException(ErrorCode.UNAVAILABLE, "g" + group.id() + " has no replica");
        for (Replica replica : group.dataVoters()) {
            try {
                return cluster.order(
                        replica.node(), new NodeOrder.Verify(group.id(), volume.id()), VERIFY);
            } catch (CisternException e) {
                last = e;
            }
        }
        Volume now = cluster.fresh().volumes().get(volume.id());
        if (now == null || now.phase() != Phase.READY) {
            return NodeOrder.Done.NOTHING; // it has been deleted meanwhile
        }
        throw last;
    }

    private long[] repairs() {
        long damaged = 0;
        long repaired = 0;
        for (Map.Entry<String, NodeReport> report : cluster.reports().entrySet()) {
            for (NodeReport.ReplicaReport replica : report.getValue().replicas()) {
                damaged += replica.damagedBlocks();
                repaired += replica.repairedBlocks();
            }
        }
        return new long[] {damaged, repaired};
    }
}
