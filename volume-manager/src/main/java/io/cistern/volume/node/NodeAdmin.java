package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Size;
import io.cistern.volume.ClusterPolicy;
import io.cistern.volume.ClusterStatus.DiskInfo;
import io.cistern.volume.ClusterStatus.NodeInfo;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Policy;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Volume;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// Nodes, disks and scrubs, see [io.cistern.volume.ClusterAdmin].
final class NodeAdmin {
    private static final Duration TOKEN_LIFE = Duration.ofHours(1);
    private static final Duration REMOVED_SOON = Duration.ofSeconds(20);

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
}
