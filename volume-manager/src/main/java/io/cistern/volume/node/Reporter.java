package io.cistern.volume.node;

import io.cistern.raft.Leadership;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.storage.Disk;
import io.cistern.storage.group.GroupHost;
import io.cistern.storage.group.ReplicaStatus;
import io.cistern.volume.ClusterNode.Sample;
import io.cistern.volume.ClusterStatus.WorkInfo;
import io.cistern.volume.node.NodeFile.LocalDisk;
import io.cistern.volume.node.NodeFile.LocalReplica;
import io.cistern.volume.node.NodeReport.DiskReport;
import io.cistern.volume.node.NodeReport.ReplicaReport;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Says how this node is.
final class Reporter {
    private final LocalNode local;
    private final GroupHost host;
    private final WitnessReplicas witnesses;
    private final Catalog catalog;
    private final Work work;
    private final int level;

    /// @param level the newest format level that this program knows
    Reporter(LocalNode local, LocalNode.Replicas hosts, Catalog catalog, Work work, int level) {
        this.level = level;
        this.local = local;
        this.host = hosts.data();
        this.witnesses = hosts.witnesses();
        this.catalog = catalog;
        this.work = work;
    }

    NodeReport report() {
        List<ReplicaReport> replicas = new ArrayList<>();
        addSystem(replicas);
        List<WorkInfo> running = new ArrayList<>(work.running());
        for (ReplicaStatus status : host.status()) {
            replicas.add(data(status));
            addWork(running, status, "copy", status.copy());
            addWork(running, status, "scrub", status.scrub());
        }
        replicas.addAll(witnesses.reports());
        host.checking()
                .forEach((group, progress) ->
                        running.add(
                                new WorkInfo(
                                        "compare-" + group,
                                        "compare",
                                        "all replicas of " + group,
                                        local.file().name(),
                                        progress.done(),
                                        progress.total(),
                                        "bytes",
                                        progress.startedMillis(),
                                        progress.etaMillis())));
        WorkInfo oldLogs = local.oldLogs().work(local.file().name());
        if (oldLogs != null) {
            running.add(oldLogs);
        }
        addOpening(replicas);
        return new NodeReport(
                local.file().name(),
                ProcessHandle.current().pid(),
                catalog.state().version(),
                disks(),
                replicas,
                running,
                level == 0 ? null : level);
    }

    private List<DiskReport> disks() {
        List<DiskReport> disks = new ArrayList<>();
        for (LocalDisk known : local.file().disks()) {
            Disk disk = local.disks().get(known.number());
            disks.add(
                    new DiskReport(
                            known.number(),
                            known.path(),
                            disk == null ? 0 : disk.capacityBytes(),
                            disk == null ? 0 : disk.freeBytes(),
                            local.diskErrors().get(known.number())));
        }
        local.diskErrors()
                .forEach((number, error) -> {
                    if (disks.stream().noneMatch(d -> d.number() == number)) {
                        disks.add(new DiskReport(number, "", 0, 0, error));
                    }
                });
        return disks;
    }

    private void addSystem(List<ReplicaReport> replicas) {
        SystemGroup system = local.system();
        LocalReplica mine = local.file().replica(0);
        if (system != null) {
            Leadership leadership = system.raft().leadership();
            Peer leader = leadership.leader();
            replicas.add(
                    new ReplicaReport(
                            0,
                            system.raft().self().id(),
                            leadership.ready(),
                            leader == null ? null : leader.id(),
                            leadership.term(),
                            system.raft().appliedIndex(),
                            -1,
                            ids(system.raft()),
                            false,
                            null,
                            null,
                            0,
                            0,
                            NodeReport.Amounts.NONE,
                            false));
        } else if (mine != null) {
            replicas.add(closed(0, mine.peer(), local.systemQuarantine()));
        }
    }

    /// Replicas whose files are here and that are not open yet: a node that starts answers before
    /// it has read its logs, and must not be taken for one that has lost them.
    private void addOpening(List<ReplicaReport> replicas) {
        Set<String> reported = new HashSet<>();
        replicas.forEach(r -> reported.add(r.peer()));
        for (LocalReplica known : local.file().replicas()) {
            if (known.group() != 0
                    && !reported.contains(known.peer())
                    && (local.file().witness() || local.disks().containsKey(known.disk()))) {
                replicas.add(closed(known.group(), known.peer(), null));
            }
        }
    }

    /// @param quarantined why it is out of use; null where it is about to be opened
    static ReplicaReport closed(long group, String peer, @Nullable String quarantined) {
        boolean opening = quarantined == null;
        return new ReplicaReport(
                group,
                peer,
                false,
                null,
                0,
                -1,
                -1,
                List.of(),
                opening,
                null,
                quarantined,
                0,
                0,
                NodeReport.Amounts.NONE,
                false);
    }

    static List<String> ids(@Nullable RaftGroup raft) {
        return raft == null ? List.of() : raft.members().stream().map(Peer::id).toList();
    }

    private ReplicaReport data(ReplicaStatus s) {
        RaftGroup raft = host.raft(s.group());
        ReplicaStatus.Progress copy = s.copy();
        Double share =
                copy == null
                        ? null
                        : copy.total() <= 0
                                ? 0.0
                                : Math.min(1.0, (double) copy.done() / copy.total());
        return new ReplicaReport(
                s.group().value(),
                s.peer(),
                s.role() == ReplicaStatus.Role.LEADER,
                s.leader(),
                s.term(),
                s.appliedIndex(),
                s.behind(),
                ids(raft),
                s.role() == ReplicaStatus.Role.CATCHING_UP || copy != null,
                share,
                s.quarantined(),
                s.repairs().damagedBlocks(),
                s.repairs().repairedBlocks(),
                new NodeReport.Amounts(
                        s.usage().usedBytes(), host.requests(s.group()), s.repairs().copiedBytes()),
                raft != null && raft.witnessStandsIn());
    }

    private void addWork(
            List<WorkInfo> running,
            ReplicaStatus status,
            String kind,
            ReplicaStatus.@Nullable Progress progress) {
        if (progress != null) {
            running.add(
                    new WorkInfo(
                            kind + "-" + status.group() + "-" + status.peer(),
                            kind,
                            status.group() + " on " + status.node(),
                            status.node(),
                            progress.done(),
                            progress.total(),
                            "bytes",
                            progress.startedMillis(),
                            progress.etaMillis()));
        }
    }

    /// Numbers for the metrics page.
    List<Sample> metrics() {
        return new NodeSamples(local.file().name(), catalog.state())
                .disks(
                        disks(),
                        number -> {
                            Disk open = local.disks().get(number);
                            return open == null ? null : open.counters();
                        })
                .replicas(host.status())
                .activity(host.activity())
                .samples();
    }
}
