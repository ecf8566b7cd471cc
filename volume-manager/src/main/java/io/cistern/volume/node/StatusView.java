package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.raft.Peer;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.ClusterStatus.Capacity;
import io.cistern.volume.ClusterStatus.DiskInfo;
import io.cistern.volume.ClusterStatus.GroupInfo;
import io.cistern.volume.ClusterStatus.Health;
import io.cistern.volume.ClusterStatus.NodeInfo;
import io.cistern.volume.ClusterStatus.NodeState;
import io.cistern.volume.ClusterStatus.ReplicaInfo;
import io.cistern.volume.ClusterStatus.ReplicaState;
import io.cistern.volume.ClusterStatus.WorkInfo;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.node.NodeReport.DiskReport;
import io.cistern.volume.node.NodeReport.ReplicaReport;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Disk;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Role;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Puts together what is known of the cluster.
final class StatusView {
    /// A replica this far behind is said to be.
    private static final long BEHIND_ENTRIES = 1000;

    private final Cluster cluster;
    private final String clusterId;
    private final Function<SystemState, List<VolumeInfo>> volumes;

    StatusView(Cluster cluster, String clusterId, Function<SystemState, List<VolumeInfo>> volumes) {
        this.cluster = cluster;
        this.clusterId = clusterId;
        this.volumes = volumes;
    }

    ClusterStatus status() {
        List<String> reasons = new ArrayList<>();
        boolean systemServes = true;
        try {
            SystemState known = cluster.catalog().state();
            cluster.catalog().learned(cluster.system().fresh(known, Duration.ofSeconds(1)));
        } catch (CisternException e) {
            systemServes = false;
            reasons.add("the system group has no leader: " + e.getMessage());
        }
        SystemState state = cluster.catalog().state();
        Map<String, NodeReport> reports = cluster.reports();
        List<NodeInfo> nodes = nodes(state, reports);
        List<GroupInfo> groups = groups(state, reports);
        List<VolumeInfo> all = volumes.apply(state);
        boolean serves = systemServes && judge(state, groups, alone(reports), reasons);
        List<String> notes = new ArrayList<>(Levels.notes(state, reports));
        judgeNodes(nodes, reasons, notes);
        judgeUnlisted(state, reports, reasons);
        notes.addAll(joining(state, groups));
        Health health =
                !serves ? Health.UNAVAILABLE : reasons.isEmpty() ? Health.OK : Health.DEGRADED;
        return new ClusterStatus(
                clusterId,
                health,
                reasons,
                nodes,
                groups,
                all,
                capacity(nodes, all),
                work(state, reports),
                state.level(),
                notes);
    }

    List<NodeInfo> nodes(SystemState state, Map<String, NodeReport> reports) {
        List<NodeInfo> nodes = new ArrayList<>();
        for (Node node : state.nodes().values()) {
            NodeReport report = reports.get(node.name());
            nodes.add(
                    new NodeInfo(
                            node.name(),
                            report == null ? 0 : report.pid(),
                            nodeState(state, node, report),
                            node.zone(),
                            node.api(),
                            node.wire(),
                            node.raft(),
                            ExportMonitor.first(node.iscsi()),
                            node.nfs(),
                            leads(report),
                            disks(node, report),
                            report == null ? null : report.knownLevel()));
        }
        return nodes;
    }

    private static NodeState nodeState(SystemState state, Node node, @Nullable NodeReport report) {
        if (report == null) {
            return NodeState.DOWN;
        }
        if (!node.draining()) {
            return NodeState.UP;
        }
        boolean holds =
                state.groups().values().stream()
                        .flatMap(g -> g.replicas().stream())
                        .anyMatch(r -> r.node().equals(node.name()));
        return holds ? NodeState.DRAINING : NodeState.DRAINED;
    }

    private static List<String> leads(@Nullable NodeReport report) {
        return report == null
                ? List.of()
                : report.replicas().stream()
                        .filter(ReplicaReport::leads)
                        .map(r -> "g" + r.group())
                        .sorted()
                        .toList();
    }

    private static List<DiskInfo> disks(Node node, @Nullable NodeReport report) {
        List<DiskInfo> disks = new ArrayList<>();
        for (Disk disk : node.disks()) {
            DiskReport found = null;
            if (report != null) {
                for (DiskReport d : report.disks()) {
                    found = d.number() == disk.number() ? d : found;
                }
            }
            disks.add(
                    new DiskInfo(
                            node.name() + "/" + disk.number(),
                            node.name(),
                            found == null || found.path().isEmpty() ? disk.path() : found.path(),
                            found == null ? 0 : found.totalBytes(),
                            found == null ? 0 : found.freeBytes(),
                            disk.draining(),
                            found == null ? null : found.error()));
        }
        return disks;
    }

    private static List<GroupInfo> groups(SystemState state, Map<String, NodeReport> reports) {
        List<GroupInfo> groups = new ArrayList<>();
        for (Group group : state.groups().values()) {
            ReplicaReport leader = leader(group, reports);
            List<ReplicaInfo> replicas = new ArrayList<>();
            for (Replica replica : group.replicas()) {
                NodeReport report = reports.get(replica.node());
                replicas.add(
                        replica(
                                replica,
                                report == null ? null : report.replica(replica.peer(), group.id()),
                                report != null,
                                leader));
            }
            int volumes =
                    (int)
                            state.volumes().values().stream()
                                    .filter(v -> v.group() == group.id())
                                    .count();
            Replica leads = leader == null ? null : group.replica(leader.peer());
            groups.add(
                    new GroupInfo(
                            "g" + group.id(),
                            Memberships.wanted(state, group),
                            leads == null ? null : leads.node(),
                            leader == null ? 0 : leader.term(),
                            replicas,
                            volumes));
        }
        return groups;
    }

    private static @Nullable ReplicaReport leader(Group group, Map<String, NodeReport> reports) {
        ReplicaReport found = null;
        for (Replica replica : group.replicas()) {
            NodeReport report = reports.get(replica.node());
            ReplicaReport mine = report == null ? null : report.replica(replica.peer(), group.id());
            if (mine != null && mine.leads() && (found == null || mine.term() > found.term())) {
                found = mine;
            }
        }
        return found;
    }

    private static ReplicaInfo replica(
            Replica replica,
            @Nullable ReplicaReport report,
            boolean nodeUp,
            @Nullable ReplicaReport leader) {
        long applied = report == null ? -1 : report.appliedIndex();
        long behind =
                report == null || leader == null || applied < 0
                        ? -1
                        : Math.max(0, leader.appliedIndex() - applied);
        return new ReplicaInfo(
                replica.peer(),
                replica.node(),
                replicaState(replica, report, nodeUp, behind),
                applied,
                behind,
                report == null ? null : report.catchUp(),
                report == null ? 0 : report.usedBytes(),
                report == null ? 0 : report.amounts().copiedBytes());
    }

    private static ReplicaState replicaState(
            Replica replica, @Nullable ReplicaReport report, boolean nodeUp, long behind) {
        if (replica.role() == Role.RETIRED) {
            return ReplicaState.RETIRED;
        }
        if (report == null) {
            return nodeUp ? ReplicaState.CATCHING_UP : ReplicaState.DOWN;
        }
        if (report.quarantined() != null) {
            return ReplicaState.QUARANTINED;
        }
        if (replica.witness()) {
            boolean opening = report.catchingUp();
            return replica.role() == Role.LEARNER
                    ? ReplicaState.LEARNER
                    : opening ? ReplicaState.CATCHING_UP : ReplicaState.WITNESS;
        }
        if (report.leads()) {
            return ReplicaState.LEADER;
        }
        if (report.catchingUp() || behind > BEHIND_ENTRIES) {
            return ReplicaState.CATCHING_UP;
        }
        return replica.role() == Role.LEARNER ? ReplicaState.LEARNER : ReplicaState.FOLLOWER;
    }

    /// @return false where a group cannot serve
    static boolean judge(
            SystemState state, List<GroupInfo> groups, Set<String> alone, List<String> reasons) {
        boolean serves = true;
        if (state.clusterId().isEmpty()) {
            reasons.add("the cluster is not formed yet");
            serves = false;
        } else if (groups.size() < 2) {
            reasons.add("there is no data group yet");
            serves = false;
        }
        for (GroupInfo group : groups) {
            if (group.leader() == null) {
                reasons.add("group " + group.id() + " has no leader");
                serves = false;
            }
            Set<String> learners = learners(state, group);
            judgeCopies(group, learners, alone.contains(group.id()), reasons);
            int voters = 0;
            for (ReplicaInfo replica : group.replicas()) {
                if (learners.contains(replica.peer())) {
                    continue; // nothing depends on it yet
                }
                String where = "replica " + replica.peer() + " of group " + group.id();
                switch (replica.state()) {
                    case DOWN -> reasons.add(where + " is down");
                    case QUARANTINED ->
                            reasons.add(where + " is damaged; a new one takes its place");
                    case CATCHING_UP -> reasons.add(where + " is catching up");
                    default -> {}
                }
                voters += replica.state() == ReplicaState.RETIRED ? 0 : 1;
            }
            if (voters < group.wantedReplicas()) {
                reasons.add(
                        "group "
                                + group.id()
                                + " has "
                                + voters
                                + " of "
                                + group.wantedReplicas()
                                + " replicas"
                                + (learners.isEmpty() ? "" : ", and one more is joining"));
            }
        }
        return serves;
    }

    /// Peer ids of the group's replicas that do not vote yet.
    private static Set<String> learners(SystemState state, GroupInfo info) {
        Group group = state.groups().get(Long.parseLong(info.id().substring(1)));
        return group == null
                ? Set.of()
                : group.replicas().stream()
                        .filter(r -> r.role() == Role.LEARNER)
                        .map(Replica::peer)
                        .collect(Collectors.toSet());
    }

    /// What becomes of replicas that do not vote yet, which is no fault: the group has what it had.
    static List<String> joining(SystemState state, List<GroupInfo> groups) {
        List<String> notes = new ArrayList<>();
        for (GroupInfo group : groups) {
            Set<String> learners = learners(state, group);
            for (ReplicaInfo replica : group.replicas()) {
                if (learners.contains(replica.peer())) {
                    Double share = replica.catchUp();
                    notes.add(
                            "replica "
                                    + replica.peer()
                                    + " is joining group "
                                    + group.id()
                                    + switch (replica.state()) {
                                        case DOWN -> ": " + replica.node() + " does not answer";
                                        case QUARANTINED -> ": it is damaged and is given up";
                                        case CATCHING_UP ->
                                                share == null
                                                        ? ": it is catching up"
                                                        : String.format(
                                                                Locale.ROOT,
                                                                ": %.0f %% is copied",
                                                                100 * share);
                                        default -> ": it is about to vote";
                                    });
                }
            }
        }
        return notes;
    }

    /// Replicas that their nodes keep although the state does not know them.
    static void judgeUnlisted(
            SystemState state, Map<String, NodeReport> reports, List<String> reasons) {
        for (NodeReport report : reports.values()) {
            for (ReplicaReport replica : report.replicas()) {
                if (!state.lists(replica.group(), replica.peer())
                        && !state.issued(replica.group(), replica.peer())) {
                    reasons.add(
                            "node "
                                    + report.name()
                                    + " has replica "
                                    + replica.peer()
                                    + " of g"
                                    + replica.group()
                                    + ", of which the cluster knows nothing: it is kept, since it may"
                                    + " be all there is of that group; see docs/howto/disaster.md");
                }
            }
        }
    }

    /// Ids of the groups whose leader counts on a witness.
    private static Set<String> alone(Map<String, NodeReport> reports) {
        return reports.values().stream()
                .flatMap(r -> r.replicas().stream())
                .filter(r -> r.leads() && Boolean.TRUE.equals(r.alone()))
                .map(r -> "g" + r.group())
                .collect(Collectors.toSet());
    }

    /// With a witness a group goes on while one of its two disks is away; then whoever operates it
    /// must know which one everything hangs on.
    private static void judgeCopies(
            GroupInfo group, Set<String> learners, boolean alone, List<String> reasons) {
        boolean witnessed = false;
        List<String> away = new ArrayList<>();
        for (ReplicaInfo replica : group.replicas()) {
            if (learners.contains(replica.peer())) {
                continue;
            }
            if (Peer.isWitness(replica.peer())) {
                witnessed |= replica.state() != ReplicaState.RETIRED;
            } else if ((alone && replica.state() == ReplicaState.FOLLOWER)
                    || replica.state() == ReplicaState.DOWN
                    || replica.state() == ReplicaState.CATCHING_UP
                    || replica.state() == ReplicaState.QUARANTINED) {
                away.add(replica.node());
            }
        }
        if (witnessed && group.leader() != null && !away.isEmpty()) {
            reasons.add(
                    "group "
                            + group.id()
                            + ": what is written now is on "
                            + group.leader()
                            + " alone until "
                            + String.join(", ", away)
                            + " has caught up");
        }
    }

    /// A node that is being emptied serves what it still holds: nothing is missing.
    private static void judgeNodes(List<NodeInfo> nodes, List<String> reasons, List<String> notes) {
        for (NodeInfo node : nodes) {
            if (node.state() == NodeState.DOWN) {
                reasons.add("node " + node.name() + " does not answer");
            } else if (node.state() == NodeState.DRAINING) {
                notes.add("node " + node.name() + " is being drained");
            }
            for (DiskInfo disk : node.disks()) {
                if (disk.error() != null) {
                    reasons.add("disk " + disk.id() + " is out of use: " + disk.error());
                }
            }
        }
    }

    private static Capacity capacity(List<NodeInfo> nodes, List<VolumeInfo> volumes) {
        long total = 0;
        long free = 0;
        for (NodeInfo node : nodes) {
            for (DiskInfo disk : node.disks()) {
                total += disk.totalBytes();
                free += disk.freeBytes();
            }
        }
        long provisioned = volumes.stream().mapToLong(VolumeInfo::sizeBytes).sum();
        return new Capacity(total, free, Math.max(0, total - free), provisioned);
    }

    private static List<WorkInfo> work(SystemState state, Map<String, NodeReport> reports) {
        List<WorkInfo> work = new ArrayList<>();
        reports.values().forEach(r -> work.addAll(r.work()));
        for (Group group : state.groups().values()) {
            for (Replica replica : group.replicas()) {
                boolean copying =
                        work.stream()
                                .anyMatch(w ->
                                        w.id().equals(
                                                        "copy-g"
                                                                + group.id()
                                                                + "-"
                                                                + replica.peer()));
                if (replica.role() != Role.LEARNER || copying) {
                    continue; // a copy says more
                }
                NodeReport report = reports.get(replica.node());
                ReplicaReport mine =
                        report == null ? null : report.replica(replica.peer(), group.id());
                long total = Spread.bytes(group, reports);
                work.add(
                        new WorkInfo(
                                "move-g" + group.id() + "-" + replica.peer(),
                                "move",
                                "g" + group.id() + " to " + replica.node(),
                                replica.node(),
                                mine == null ? 0 : Math.min(total, mine.usedBytes()),
                                total,
                                "bytes",
                                0,
                                -1));
            }
        }
        return work;
    }
}
