package io.cistern.chaos.sim;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.RaftTimings;
import io.cistern.raft.SimJournal;
import io.cistern.raft.SimRaft;
import io.cistern.storage.Disk;
import io.cistern.storage.SimDisk;
import io.cistern.storage.Store;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.GroupCluster;
import io.cistern.storage.group.GroupHost;
import io.cistern.storage.group.GroupTuning;
import io.cistern.storage.group.ReplicaHalt;
import io.cistern.storage.group.SimNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// The nodes of a simulated cluster, with one group. Processes die and are started again; disks and
/// logs stay. A replica that is damaged or wiped is rebuilt under a new peer id, as the cluster's
/// caretaker would.
public final class SimCluster implements AutoCloseable {
    public static final GroupId GROUP = new GroupId(1);
    private static final int NODES = 3;
    private static final long STEP_NANOS = 50_000_000;
    private static final long CLOSE_ENTRIES = 50;

    /// Entries kept behind a checkpoint, more than are written while a node is away: as nodes keep
    /// some of their logs for members that are away.
    static final int LONG_LOG = 1_000;

    private static final RaftTimings TIMINGS = RaftTimings.DEFAULT;

    /// @param capacityBytes of each disk
    /// @param checkpointBytes of log between two checkpoints
    public record Options(
            long capacityBytes, long checkpointBytes, long syncNanos, int purgeGap, double drift) {}

    /// A node: its disk, and the process that runs now.
    public final class Node {
        final String name;
        final SimDisk disk;
        final double rate;
        final long offset;
        int generation = 1;
        @Nullable Machine machine;
        @Nullable SimNode process;
        @Nullable Disk open;

        /// Its replica has no data, or none to be trusted, until it is rebuilt.
        boolean lost;

        long downUntil;

        Node(int number, Path root, long capacity, double drift) {
            name = "n" + number;
            disk = new SimDisk(sim, root.resolve(name), name, capacity);
            rate = 1 + drift * (2 * sim.random().nextDouble() - 1);
            offset = sim.between(0, 1_000_000_000_000L);
        }

        public String name() {
            return name;
        }

        String peer() {
            return name + "." + generation;
        }

        public boolean up() {
            return process != null;
        }

        public SimDisk disk() {
            return disk;
        }

        public @Nullable Machine machine() {
            return machine;
        }

        public @Nullable SimNode process() {
            return process;
        }

        @Nullable RaftGroup raft() {
            SimNode now = process;
            return now == null ? null : now.raft(GROUP);
        }

        public @Nullable Store store() {
            SimNode now = process;
            return now == null ? null : now.store(GROUP);
        }

        public boolean lost() {
            return lost;
        }

        Peer asPeer() {
            return new Peer(peer(), name, SimRaft.addressOf(name), 0);
        }
    }

    private final Sim sim;
    private final SimNet net;
    private final Options options;
    private final SimRaft.Shared raft;
    private final List<Node> nodes = new ArrayList<>();
    private final List<String> violations = new ArrayList<>();
    private final List<String> events = new ArrayList<>();
    private List<Peer> voters;
    private boolean rebuilding;
    private int rebuilt;
    private final Map<Grant, Long> grants = new HashMap<>();
    private Runnable onStart = () -> {};

    public SimCluster(Sim sim, SimNet net, Path root, Options options) {
        this.sim = sim;
        this.net = net;
        this.options = options;
        this.raft = new SimRaft.Shared(sim, net);
        for (int i = 0; i < NODES; i++) {
            nodes.add(new Node(i, root, options.capacityBytes, options.drift));
        }
        voters = nodes.stream().map(Node::asPeer).toList();
        for (Node node : nodes) {
            node.disk.format();
            start(node, voters);
        }
        housekeeping();
    }

    public List<Node> nodes() {
        return nodes;
    }

    public Node node(int number) {
        return nodes.get(number);
    }

    public List<String> violations() {
        List<String> all = new ArrayList<>(violations);
        all.addAll(raft.violations());
        return all;
    }

    public void violation(String what) {
        violations.add(what);
    }

    /// What happened, for people.
    public List<String> events() {
        return events;
    }

    public void event(String what) {
        events.add(String.format("%9.3f ms  %s", sim.now() / 1e6, what));
    }

    public int rebuilt() {
        return rebuilt;
    }

    public long elections() {
        return raft.elections();
    }

    public long overdue() {
        return raft.overdue();
    }

    /// Called after a node's process has started.
    public void onStart(Runnable action) {
        onStart = action;
    }

    // ---- processes

    private void start(Node node, List<Peer> members) {
        Machine machine = sim.machine(node.name, node.rate, node.offset);
        node.machine = machine;
        sim.after(machine, 0, () -> boot(node, machine, members));
    }

    private void boot(Node node, Machine machine, List<Peer> members) {
        ReplicaHalt halt =
                new ReplicaHalt((message, cause) -> halted(node, machine, message, cause));
        Disk disk;
        try {
            disk = node.disk.open(machine, halt);
        } catch (CisternException e) {
            if (e.code() != ErrorCode.CORRUPT) {
                throw e;
            }
            event(node.name + ": its disk is damaged and made anew: " + e.getMessage());
            loseDisk(node);
            disk = node.disk.open(machine, halt);
            rebuildLater(node);
        }
        node.open = disk;
        SimRaft groups =
                new SimRaft(
                        raft,
                        node.name,
                        machine,
                        TIMINGS,
                        halt,
                        new SimRaft.Disk(options.syncNanos, 0.002),
                        options.purgeGap);
        SimNode process =
                new SimNode(
                        sim,
                        net,
                        machine,
                        node.name,
                        groups,
                        tuning(),
                        new GroupHost.Cluster(new Groups(node), halt));
        node.process = process;
        process.open(GROUP, disk, node.peer(), members);
        if (node.lost && !rebuilding && process.store(GROUP) != null) {
            // What was damaged was not in use.
            node.lost = false;
        }
        onStart.run();
    }

    private GroupTuning tuning() {
        return new GroupTuning(
                options.checkpointBytes,
                Duration.ofSeconds(2),
                0,
                Duration.ofMillis(50),
                Duration.ofSeconds(1),
                Duration.ofMillis(200),
                0,
                4 << 20,
                Duration.ofSeconds(2));
    }

    private final class Groups implements GroupCluster {
        private final Node node;

        Groups(Node node) {
            this.node = node;
        }

        @Override
        public List<String> nodes(GroupId group) {
            return nodes.stream().map(Node::name).toList();
        }

        @Override
        public void rebuild(GroupId group, String peer, String reason) {
            event(peer + " is quarantined: " + reason.lines().findFirst().orElse(""));
            if (peer.equals(node.peer())) {
                node.lost = true;
                rebuildLater(node);
            }
        }
    }

    private void halted(Node node, Machine machine, String message, Throwable cause) {
        if (machine.dead()) {
            return;
        }
        SimDisk.Troubles troubles = node.disk.troubles();
        boolean meant = troubles.failWrites || troubles.failSyncs || cause instanceof SimDisk.Crash;
        event(node.name + " halts: " + message + ": " + cause.getMessage());
        if (!meant) {
            violations.add(node.name + " halted: " + message + ": " + trace(cause));
        }
        kill(node, false, sim.between(200_000_000, 1_500_000_000));
        throw new Killed();
    }

    static String trace(Throwable cause) {
        StringBuilder text = new StringBuilder(cause.toString());
        for (StackTraceElement at : cause.getStackTrace()) {
            text.append("\n        at ").append(at);
        }
        Throwable deeper = cause.getCause();
        return deeper == null || deeper == cause
                ? text.toString()
                : text + "\n    by " + trace(deeper);
    }

    /// Ends a node's process, or does nothing where none runs, and starts it again later.
    ///
    /// @param power whether what was not synced may go
    public void kill(Node node, boolean power, long downNanos) {
        Machine machine = node.machine;
        if (machine == null || machine.dead()) {
            node.downUntil = Math.max(node.downUntil, sim.now() + downNanos);
            return;
        }
        event(node.name + (power ? " loses power" : " is killed"));
        node.downUntil = sim.now() + downNanos;
        node.process = null;
        sim.kill(
                machine,
                () -> {
                    node.machine = null;
                    node.open = null;
                    node.disk.crash(power, sim.random().nextDouble());
                    SimJournal journal = raft.journal(node.peer());
                    if (power && journal != null) {
                        journal.crash(sim.random());
                    }
                    restart(node);
                });
    }

    private void restart(Node node) {
        sim.after(
                sim.harness(),
                Math.max(1, node.downUntil - sim.now()),
                () -> {
                    if (node.downUntil > sim.now()) {
                        restart(node);
                    } else if (node.machine == null) {
                        event(node.name + " starts");
                        start(node, List.of());
                    }
                });
    }

    /// Starts what is down at once, and lets everything go on.
    public void heal() {
        net.calm();
        for (Node node : nodes) {
            node.downUntil = 0;
            Machine machine = node.machine;
            if (machine != null) {
                machine.thaw();
            } else {
                restart(node);
            }
            node.disk.troubles().failWrites = false;
            node.disk.troubles().failSyncs = false;
            node.disk.troubles().crashNowhere();
            node.disk.troubles().lostWrite = 0;
            node.disk.troubles().misdirectedWrite = 0;
        }
    }

    private void housekeeping() {
        sim.after(
                sim.harness(),
                sim.between(20_000_000, 60_000_000),
                () -> {
                    nodes.forEach(this::lookAtAttachments);
                    for (Node node : nodes) {
                        Machine machine = node.machine;
                        if (machine != null && node.process != null && !machine.frozen()) {
                            sim.after(machine, 0, () -> node.disk.housekeeping(3));
                        }
                    }
                    housekeeping();
                });
    }

    private record Grant(long volume, long nonceHigh, long nonceLow) {}

    /// An attach takes effect once, however often and late it arrives.
    private void lookAtAttachments(Node node) {
        Store store = node.store();
        if (store == null || store.importing()) {
            return;
        }
        for (VolumeState volume : store.volumes()) {
            for (VolumeState.Attachment a : volume.attachments()) {
                Grant grant = new Grant(volume.volume(), a.nonceHigh(), a.nonceLow());
                Long id = grants.putIfAbsent(grant, a.id());
                if (id != null && id != a.id()) {
                    violations.add(
                            "an attach of "
                                    + a.holder()
                                    + " to v"
                                    + volume.volume()
                                    + " took effect as "
                                    + id
                                    + " and again as "
                                    + a.id());
                    grants.put(grant, a.id());
                }
            }
        }
    }

    // ---- rebuilding

    /// True while a replica is missing: another one must not be taken then.
    public boolean rebuilding() {
        return rebuilding || nodes.stream().anyMatch(Node::lost);
    }

    /// Whether the log reaches as far back as any replica stands that is away.
    boolean keepsLog() {
        return options.purgeGap >= LONG_LOG;
    }

    boolean allServe() {
        return nodes.stream().allMatch(this::servesNow);
    }

    boolean othersServe(Node node) {
        return nodes.stream().filter(n -> n != node).allMatch(this::servesNow);
    }

    private boolean servesNow(Node node) {
        SimNode now = node.process;
        Machine machine = node.machine;
        Store store = node.store();
        return now != null
                && machine != null
                && !machine.frozen()
                && store != null
                && !store.importing()
                && now.serves(GROUP);
    }

    private void loseDisk(Node node) {
        node.disk.wipe();
        node.disk.format();
        node.generation++;
        node.lost = true;
    }

    /// Takes a node's disk away while it is down, and gives it an empty one.
    public void wipe(Node node) {
        event(node.name + " loses its disk");
        loseDisk(node);
        rebuildLater(node);
    }

    /// Damages the log of a node that is down.
    public void damageLog(Node node) {
        SimJournal journal = raft.journal(node.peer());
        if (journal != null) {
            event(node.name + ": a bit flips in its log");
            node.lost = true;
            journal.damage();
        }
    }

    /// Damages the map of a node that is down.
    public void damageMap(Node node) {
        if (node.disk.rotMap(sim.random())) {
            event(node.name + ": a bit flips in its map");
            node.lost = true;
        }
    }

    private void rebuildLater(Node node) {
        if (!rebuilding) {
            rebuilding = true;
            step(new Rebuild(node));
        }
    }

    /// ```
    /// the node opens an empty replica --> it listens --> it votes --> the old one is out
    /// ```
    private static final class Rebuild {
        final Node node;
        boolean opened;
        @Nullable CompletableFuture<Void> change;

        Rebuild(Node node) {
            this.node = node;
        }
    }

    private void step(Rebuild rebuild) {
        sim.after(
                sim.harness(),
                STEP_NANOS,
                () -> {
                    if (advance(rebuild)) {
                        event(rebuild.node.peer() + " is a voter");
                        rebuild.node.lost = false;
                        rebuilding = false;
                        rebuilt++;
                    } else {
                        step(rebuild);
                    }
                });
    }

    private boolean advance(Rebuild rebuild) {
        Node node = rebuild.node;
        SimNode process = node.process;
        Disk disk = node.open;
        Machine machine = node.machine;
        if (process == null || disk == null || machine == null || machine.frozen()) {
            return false;
        }
        RaftGroup here = process.raft(GROUP);
        if (here == null || !here.self().id().equals(node.peer())) {
            if (process.store(GROUP) == null && !rebuild.opened) {
                // Quarantined.
                rebuild.opened = true;
                node.generation++;
                sim.after(machine, 0, () -> process.host().replace(GROUP, disk, node.peer()));
            }
            return false;
        }
        rebuild.opened = true;
        RaftGroup leader = leader();
        CompletableFuture<Void> under = rebuild.change;
        if (leader == null || (under != null && !under.isDone())) {
            if (leader == null) {
                rebuild.change = null;
            }
            return false;
        }
        rebuild.change = null;
        Peer fresh = node.asPeer();
        List<String> members = leader.members().stream().map(Peer::id).toList();
        Peer old = voters.stream().filter(p -> p.node().equals(node.name)).findFirst().orElse(null);
        if (old != null && !members.contains(fresh.id())) {
            rebuild.change = leader.setMembers(voters, List.of(fresh));
            return false;
        }
        if (!process.serves(GROUP)
                || here.appliedIndex() < leader.appliedIndex() - CLOSE_ENTRIES
                || here.appliedIndex() < 0) {
            return false;
        }
        List<Peer> with = new ArrayList<>(voters);
        with.removeIf(p -> p.id().equals(fresh.id()));
        with.add(fresh);
        List<Peer> without =
                with.stream()
                        .filter(p -> old == null || !p.equals(old) || old.id().equals(fresh.id()))
                        .toList();
        if (old != null && members.contains(old.id()) && !old.id().equals(fresh.id())) {
            boolean listens = !SimRaft.voters(leader).contains(fresh.id());
            rebuild.change =
                    listens
                            ? leader.setMembers(with, List.of())
                            : leader.setMembers(without, List.of());
            return false;
        }
        voters = without;
        return true;
    }

    /// The replica that leads and is ready, where there is exactly one.
    public @Nullable RaftGroup leader() {
        RaftGroup found = null;
        for (Node node : nodes) {
            RaftGroup group = node.raft();
            if (group != null
                    && group.leadership().ready()
                    && (found == null || group.leadership().term() > found.leadership().term())) {
                found = group;
            }
        }
        return found;
    }

    public @Nullable Node leaderNode() {
        RaftGroup leader = leader();
        if (leader == null) {
            return null;
        }
        return nodes.stream()
                .filter(n -> n.name.equals(leader.self().node()))
                .findFirst()
                .orElse(null);
    }

    @Nullable Machine machineOf(RaftGroup group) {
        return nodes.stream()
                .filter(n -> n.name.equals(group.self().node()))
                .findFirst()
                .map(Node::machine)
                .orElse(null);
    }

    public SimNet net() {
        return net;
    }

    @Override
    public void close() {
        for (Node node : nodes) {
            Machine machine = node.machine;
            if (machine != null && !machine.dead()) {
                node.downUntil = Long.MAX_VALUE / 2;
                kill(node, false, Long.MAX_VALUE / 2);
            }
        }
        sim.run(1_000_000_000, () -> nodes.stream().allMatch(n -> n.machine == null));
        Objects.requireNonNull(nodes).forEach(node -> node.disk.wipe());
    }
}
