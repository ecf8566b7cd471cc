package io.cistern.volume.node;

import io.cistern.volume.ClusterStatus.WorkInfo;
import io.cistern.volume.node.NodeReport.ReplicaReport;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Disk;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Role;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;
import java.util.function.Predicate;

/// Tells how far the emptying of nodes and disks and the rebuilding of lost replicas are, in bytes.
/// What was done before this system leader began is not counted.
final class Journeys {
    private final Work work;
    private final Silence silence;
    private final LongSupplier millis;
    private final Map<String, Begun> begun = new HashMap<>();

    /// @param bytes that were to be moved when it was first seen
    private record Begun(long bytes, long millis) {}

    Journeys(Work work, Silence silence, LongSupplier millis) {
        this.work = work;
        this.silence = silence;
        this.millis = millis;
    }

    void reset() {
        begun.keySet().forEach(work::hide);
        begun.clear();
    }

    void step(SystemState state, Map<String, NodeReport> reports) {
        Set<String> seen = new HashSet<>();
        for (Node node : state.nodes().values()) {
            String name = node.name();
            if (node.draining()) {
                show(seen, state, reports, "drain", name, r -> r.node().equals(name));
            } else if (silence.dead(state, name)) {
                show(seen, state, reports, "rebuild", name, r -> r.node().equals(name));
            }
            for (Disk disk : node.disks()) {
                if (disk.draining()) {
                    show(
                            seen,
                            state,
                            reports,
                            "empty",
                            name + "/" + disk.number(),
                            r -> r.node().equals(name) && r.disk() == disk.number());
                }
            }
        }
        for (String id : Set.copyOf(begun.keySet())) {
            if (!seen.contains(id)) {
                begun.remove(id);
                work.hide(id);
            }
        }
    }

    private void show(
            Set<String> seen,
            SystemState state,
            Map<String, NodeReport> reports,
            String kind,
            String what,
            Predicate<Replica> leaves) {
        long left = 0;
        long arrived = 0;
        boolean any = false;
        for (Group group : state.groups().values()) {
            if (group.dataVoters().stream().noneMatch(leaves)) {
                continue;
            }
            // What a silent node held may have nowhere to go.
            any |= !kind.equals("rebuild") || group.voters().size() < group.replicas().size();
            long bytes = Spread.bytes(group, reports);
            left += bytes;
            arrived += Math.min(bytes, arrived(group, reports));
        }
        if (!any) {
            return;
        }
        String id = kind + "-" + what;
        seen.add(id);
        long now = millis.getAsLong();
        long toMove = left;
        Begun first = begun.computeIfAbsent(id, i -> new Begun(toMove, now));
        if (left > first.bytes) {
            first = new Begun(left, first.millis); // users have written meanwhile
            begun.put(id, first);
        }
        long done = first.bytes - left + arrived;
        long spent = now - first.millis;
        long eta = done <= 0 ? -1 : (long) ((double) spent * (first.bytes - done) / done);
        work.show(
                new WorkInfo(
                        id,
                        kind,
                        what,
                        work.node(),
                        done,
                        first.bytes,
                        "bytes",
                        first.millis,
                        eta));
    }

    /// What the replica that comes has already.
    private static long arrived(Group group, Map<String, NodeReport> reports) {
        for (Replica replica : group.replicas()) {
            NodeReport node = reports.get(replica.node());
            ReplicaReport mine = node == null ? null : node.replica(replica.peer(), group.id());
            if (replica.role() == Role.LEARNER && mine != null) {
                return mine.usedBytes();
            }
        }
        return 0;
    }
}
