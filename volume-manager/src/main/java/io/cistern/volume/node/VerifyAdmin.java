package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.VolumeState;
import io.cistern.volume.ClusterAdmin.VerifyReport;
import io.cistern.volume.Progress;
import io.cistern.volume.system.Level;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Phase;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Volume;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Reads everything from every replica and compares it, see
/// [io.cistern.volume.ClusterAdmin#verify].
final class VerifyAdmin {
    /// So long a group may be without a leader to compare its replicas.
    private static final long LEADERLESS_NANOS = 10_000_000_000L;

    private final Cluster cluster;
    private final VolumeAdmin volumes;

    VerifyAdmin(Cluster cluster, VolumeAdmin volumes) {
        this.cluster = cluster;
        this.volumes = volumes;
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
        List<Verification.Part> parts = new ArrayList<>();
        chosen.forEach(volume -> parts.addAll(parts(volume)));
        Verification run = new Verification(state, parts, progress);
        for (Verification.Part part : parts) {
            compare(run, part);
        }
        Set<String> older = Set.copyOf(Levels.older(cluster.reports(), Level.COMPARISONS));
        for (Group group : run.groups()) {
            run.comparedRows(
                    group,
                    comparable(group, older) ? replicas(run, group) : NodeOrder.Done.NOTHING);
        }
        for (String node : run.nodes()) {
            run.add(older.contains(node) ? NodeOrder.Done.NOTHING : books(run, node), 0);
        }
        long[] after = repairs();
        List<String> notes = new ArrayList<>(leftOut(run, older));
        notes.addAll(run.notesOfJoining(cluster.catalog().state()));
        return new VerifyReport(
                chosen.size(),
                run.bytes(),
                after[0] - before[0],
                after[1] - before[1],
                run.findings(),
                run.unasked(),
                notes);
    }

    /// The volume's head and its snapshots; nothing of one that has been deleted meanwhile.
    private List<Verification.Part> parts(Volume volume) {
        List<Verification.Part> parts = new ArrayList<>();
        try {
            VolumeState state = volumes.describe(volume);
            parts.add(new Verification.Part(volume, "", state.sizeBytes()));
            for (VolumeState.Snapshot snapshot : state.snapshots()) {
                parts.add(new Verification.Part(volume, snapshot.name(), snapshot.sizeBytes()));
            }
        } catch (CisternException e) {
            if (e.code() != ErrorCode.NOT_FOUND || ready(volume)) {
                throw e;
            }
        }
        return parts;
    }

    private boolean ready(Volume volume) {
        Volume now = cluster.fresh().volumes().get(volume.id());
        return now != null && now.phase() == Phase.READY;
    }

    private void compare(Verification run, Verification.Part part) {
        long from = 0;
        do {
            NodeOrder.Done found = verify(run, part, from);
            Long next = found.next();
            if (next == null) {
                // A node of an earlier release compares all of a volume at once.
                from = -1;
                run.compared(part, part.snapshot().isEmpty() ? found : NodeOrder.Done.NOTHING, -1);
            } else {
                from = next;
                run.compared(part, found, from);
            }
        } while (from >= 0);
    }

    private NodeOrder.Done verify(Verification run, Verification.Part part, long from) {
        Group group = run.group(part.volume());
        CisternException last =
                new CisternException(ErrorCode.UNAVAILABLE, "g" + group.id() + " has no replica");
        NodeOrder.Verify order =
                new NodeOrder.Verify(group.id(), part.volume().id(), part.snapshot(), from, true);
        for (Replica replica : group.dataVoters()) {
            try {
                return order(run, replica.node(), order);
            } catch (CisternException e) {
                last = e;
            }
        }
        if (gone(part)) {
            return NodeOrder.Done.NOTHING;
        }
        throw last;
    }

    /// Not to a node that has not answered before: it would be waited for again with each order.
    private NodeOrder.Done order(Verification run, String node, NodeOrder order) {
        if (run.isSilent(node)) {
            throw new CisternException(ErrorCode.UNAVAILABLE, node + " does not answer");
        }
        try {
            return cluster.longOrder(node, order);
        } catch (CisternException e) {
            if (e.code() == ErrorCode.UNAVAILABLE && !cluster.reports().containsKey(node)) {
                run.silent(node);
            }
            throw e;
        }
    }

    /// True if the volume or the snapshot has been deleted meanwhile.
    private boolean gone(Verification.Part part) {
        return parts(part.volume()).stream().noneMatch(p -> p.snapshot().equals(part.snapshot()));
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

    private NodeOrder.Done replicas(Verification run, Group group) {
        CisternException last =
                new CisternException(ErrorCode.UNAVAILABLE, "g" + group.id() + " has no replica");
        long deadline = System.nanoTime() + LEADERLESS_NANOS;
        do {
            for (Replica replica : group.dataVoters()) {
                try {
                    return order(run, replica.node(), new NodeOrder.Check(group.id(), true));
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
        run.notAsked(
                "g"
                        + group.id()
                        + ": its replicas could not be asked and compared: "
                        + last.getMessage());
        return NodeOrder.Done.NOTHING;
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

    private NodeOrder.Done books(Verification run, String node) {
        try {
            return order(run, node, new NodeOrder.Books(node));
        } catch (CisternException e) {
            run.notAsked("the books of " + node + " could not be asked for: " + e.getMessage());
            return NodeOrder.Done.NOTHING;
        }
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
