package io.cistern.volume.system;

import io.cistern.block.ErrorCode;
import io.cistern.volume.system.SystemRules.Refused;
import io.cistern.volume.system.SystemRules.Step;
import io.cistern.volume.system.SystemState.Disk;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Policy;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Role;
import io.cistern.volume.system.SystemState.Token;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/// Commands about nodes and their disks.
final class NodeRules {
    /// Ids of volumes that are not given out after the loss of the state's last changes: groups may
    /// have volumes that were given one of them.
    private static final long LOST_IDS = 1L << 20;

    private NodeRules() {}

    static Step form(SystemState s, SystemCommand.Form c) {
        if (!s.clusterId().isEmpty()) {
            return Step.done(s);
        }
        SystemState formed = s.withIdentity(c.clusterId(), c.settings());
        List<Replica> members = new ArrayList<>();
        for (Node node : c.nodes()) {
            boolean member = c.systemMembers().contains(node.name());
            formed = formed.withNode(node.withNextGeneration(member ? 2 : 1));
            if (member) {
                members.add(new Replica(node.name() + ".1", node.name(), 0, Role.VOTER));
            }
        }
        return Step.done(
                formed.withGroup(new Group(0, members.size(), true, List.copyOf(members))));
    }

    static Step announce(SystemState s, SystemCommand.AnnounceNode c) {
        Node known = node(s, c.name());
        return Step.done(
                s.withNode(
                        new Node(
                                known.name(),
                                c.zone(),
                                c.api(),
                                c.wire(),
                                c.raft(),
                                c.iscsi(),
                                c.nfs(),
                                known.draining(),
                                known.nextGeneration(),
                                known.nextDisk(),
                                known.disks())));
    }

    static Step addToken(SystemState s, SystemCommand.AddToken c) {
        SortedMap<String, Token> tokens = new TreeMap<>(s.tokens());
        tokens.values().removeIf(token -> token.expiresMillis() < c.nowMillis());
        if (tokens.size() >= SystemState.MAX_TOKENS) {
            throw new Refused(
                    ErrorCode.LIMIT,
                    SystemState.MAX_TOKENS
                            + " join tokens wait to be used; wait until some expire");
        }
        tokens.put(c.hash(), new Token(c.hash(), c.expiresMillis()));
        return Step.done(s.withTokens(tokens));
    }

    static Step join(SystemState s, SystemCommand.JoinNode c) {
        Token token = s.tokens().get(c.tokenHash());
        if (token == null || token.expiresMillis() < c.nowMillis()) {
            throw new Refused(
                    ErrorCode.UNAUTHORIZED,
                    "the join token is unknown, used or too old; make a new one with 'cistern node token'");
        }
        if (c.level() < s.level()) {
            throw new Refused(
                    ErrorCode.INVALID,
                    "node '"
                            + c.node().name()
                            + "' runs an older Cistern (format level "
                            + c.level()
                            + ") than the cluster, which is at "
                            + s.level()
                            + ": install the release that the other nodes run, and join again");
        }
        if (s.nodes().containsKey(c.node().name())) {
            throw new Refused(
                    ErrorCode.ALREADY_EXISTS,
                    "a node '" + c.node().name() + "' exists already; choose another name");
        }
        if (s.nodes().size() >= SystemState.MAX_NODES) {
            throw new Refused(
                    ErrorCode.LIMIT,
                    "the cluster has " + SystemState.MAX_NODES + " nodes, its most");
        }
        SortedMap<String, Token> tokens = new TreeMap<>(s.tokens());
        tokens.remove(c.tokenHash());
        return Step.done(s.withTokens(tokens).withNode(c.node()));
    }

    static Step drain(SystemState s, SystemCommand.DrainNode c) {
        return Step.done(s.withNode(node(s, c.node()).withDraining(c.on())));
    }

    static Step remove(SystemState s, SystemCommand.RemoveNode c) {
        node(s, c.node());
        SystemState changed = s;
        for (Group group : s.groups().values()) {
            List<Replica> left = new ArrayList<>(group.replicas());
            left.removeIf(r -> r.node().equals(c.node()) && r.role() == Role.RETIRED);
            if (left.stream().anyMatch(r -> r.node().equals(c.node()))) {
                throw new Refused(
                        ErrorCode.BUSY,
                        "node '"
                                + c.node()
                                + "' holds a replica of g"
                                + group.id()
                                + "; drain it first");
            }
            if (left.size() < group.replicas().size()) {
                changed = changed.withGroup(group.withReplicas(left));
            }
        }
        SortedMap<String, Node> nodes = new TreeMap<>(s.nodes());
        nodes.remove(c.node());
        return Step.done(changed.withNodes(nodes).withTargets(s.targets().withoutNumber(c.node())));
    }

    static Step addDisk(SystemState s, SystemCommand.AddDisk c) {
        Node node = node(s, c.node());
        if (node.witness()) {
            throw new Refused(
                    ErrorCode.INVALID,
                    "node '" + c.node() + "' is a witness: it takes no disk for data");
        }
        if (node.disks().stream().anyMatch(d -> d.path().equals(c.path()))) {
            throw new Refused(
                    ErrorCode.ALREADY_EXISTS,
                    c.path() + " is a disk of '" + c.node() + "' already");
        }
        if (node.disks().size() >= SystemState.MAX_DISKS_PER_NODE) {
            throw new Refused(
                    ErrorCode.LIMIT,
                    "node '"
                            + c.node()
                            + "' has "
                            + SystemState.MAX_DISKS_PER_NODE
                            + " disks, its most");
        }
        List<Disk> disks = new ArrayList<>(node.disks());
        int number = node.nextDisk();
        disks.add(new Disk(number, c.path(), c.sizeBytes(), false));
        return Step.of(s.withNode(node.withDisks(number + 1, disks)), number);
    }

    private static void requireNotFirst(Node node, Disk disk) {
        if (disk.number() == 0) {
            throw new Refused(
                    ErrorCode.BUSY,
                    "disk 0 holds the identity of node '"
                            + node.name()
                            + "'; remove the node instead");
        }
    }

    static Step drainDisk(SystemState s, SystemCommand.DrainDisk c) {
        Node node = node(s, c.node());
        Disk disk = disk(node, c.disk());
        requireNotFirst(node, disk);
        List<Disk> disks = new ArrayList<>(node.disks());
        disks.replaceAll(d -> d == disk ? new Disk(d.number(), d.path(), d.sizeBytes(), true) : d);
        return Step.done(s.withNode(node.withDisks(node.nextDisk(), disks)));
    }

    static Step removeDisk(SystemState s, SystemCommand.RemoveDisk c) {
        Node node = node(s, c.node());
        Disk disk = disk(node, c.disk());
        requireNotFirst(node, disk);
        for (Group group : s.groups().values()) {
            for (Replica r : group.replicas()) {
                if (r.node().equals(c.node()) && r.disk() == c.disk()) {
                    throw new Refused(
                            ErrorCode.BUSY,
                            "disk "
                                    + c.node()
                                    + "/"
                                    + c.disk()
                                    + " holds a replica of g"
                                    + group.id());
                }
            }
        }
        List<Disk> disks = new ArrayList<>(node.disks());
        disks.remove(disk);
        return Step.done(s.withNode(node.withDisks(node.nextDisk(), disks)));
    }

    static Step giveUp(SystemState s, SystemCommand.GiveUp c) {
        Node left = node(s, c.node());
        if (s.clusterId().equals(c.clusterId())) {
            return Step.done(s);
        }
        SystemState changed = s.withIdentity(c.clusterId(), s.settings());
        for (String name : s.nodes().keySet()) {
            if (!name.equals(c.node())) {
                changed = changed.withTargets(changed.targets().withoutNumber(name));
            }
        }
        SortedMap<Long, Group> groups = c.held().isEmpty() ? listed(s, c.node()) : held(s, c);
        long generation = left.nextGeneration();
        int nextDisk = left.nextDisk();
        List<Disk> disks = new ArrayList<>(left.disks());
        for (SystemCommand.Held held : c.held()) {
            generation = Math.max(generation, SystemState.generation(held.peer()) + 1);
            if (disks.stream().noneMatch(d -> d.number() == held.disk().number())) {
                disks.add(held.disk());
                nextDisk = Math.max(nextDisk, held.disk().number() + 1);
            }
        }
        SortedMap<String, Node> nodes = new TreeMap<>();
        nodes.put(
                left.name(),
                left.withDraining(false).withNextGeneration(generation).withDisks(nextDisk, disks));
        for (SystemState.Volume volume : s.volumes().values()) {
            if (!groups.containsKey(volume.group())) {
                changed =
                        changed.withTargets(changed.targets().without(volume.id()))
                                .withoutVolume(volume.id());
            }
        }
        changed = changed.withNodes(nodes).withGroups(groups).withTokens(new TreeMap<>());
        return Step.done(
                c.held().isEmpty() ? changed : changed.skippingIds(groups.lastKey() + 1, LOST_IDS));
    }

    /// The groups with a voter on `node`, as the state lists them.
    private static SortedMap<Long, Group> listed(SystemState s, String node) {
        SortedMap<Long, Group> groups = new TreeMap<>();
        for (Group group : s.groups().values()) {
            List<Replica> here =
                    group.voters().stream().filter(r -> r.node().equals(node)).toList();
            if (!here.isEmpty()) {
                int wanted = group.id() == 0 ? 1 : group.wanted();
                groups.put(group.id(), new Group(group.id(), wanted, group.ready(), here));
            }
        }
        return groups;
    }

    /// The groups of which the node has a replica, those that the state does not know included.
    private static SortedMap<Long, Group> held(SystemState s, SystemCommand.GiveUp c) {
        SortedMap<Long, Group> groups = new TreeMap<>();
        int usual = s.groups().values().stream().mapToInt(Group::wanted).max().orElse(1);
        for (SystemCommand.Held held : c.held()) {
            Group known = s.groups().get(held.group());
            int wanted = held.group() == 0 ? 1 : known == null ? usual : known.wanted();
            Replica only = new Replica(held.peer(), c.node(), held.disk().number(), Role.VOTER);
            groups.put(held.group(), new Group(held.group(), wanted, true, List.of(only)));
        }
        return groups;
    }

    static Step setPolicy(SystemState s, SystemCommand.SetPolicy c) {
        Policy policy = c.policy();
        if (policy.rebuildAfterSeconds() < Policy.MIN_REBUILD_SECONDS
                || policy.rebuildAfterSeconds() > Policy.MAX_REBUILD_SECONDS) {
            throw new Refused(
                    ErrorCode.INVALID,
                    "replicas of a silent node are rebuilt after "
                            + Policy.MIN_REBUILD_SECONDS
                            + " s to "
                            + Policy.MAX_REBUILD_SECONDS
                            + " s, not "
                            + policy.rebuildAfterSeconds());
        }
        if (policy.copyBytesPerSecond() < 0) {
            throw new Refused(ErrorCode.INVALID, "a bandwidth is not negative; 0 is no bound");
        }
        return Step.done(s.withPolicy(policy));
    }

    static Step raise(SystemState s, SystemCommand.RaiseLevel c) {
        if (c.level() <= s.level()) {
            return Step.done(s);
        }
        for (String node : s.nodes().keySet()) {
            if (!c.nodes().contains(node)) {
                throw new Refused(
                        ErrorCode.BUSY,
                        "node '" + node + "' has not said that it knows format level " + c.level());
            }
        }
        return Step.done(s.withLevel(c.level()));
    }

    static Node node(SystemState s, String name) {
        Node node = s.nodes().get(name);
        if (node == null) {
            throw new Refused(ErrorCode.NOT_FOUND, "there is no node '" + name + "'");
        }
        return node;
    }

    static Disk disk(Node node, int number) {
        for (Disk disk : node.disks()) {
            if (disk.number() == number) {
                return disk;
            }
        }
        throw new Refused(ErrorCode.NOT_FOUND, "node '" + node.name() + "' has no disk " + number);
    }
}
