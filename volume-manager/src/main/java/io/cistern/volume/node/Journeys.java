package io.cistern.volume.node;

import io.cistern.volume.ClusterStatus.WorkInfo;
import io.cistern.volume.node.NodeReport.ReplicaReport;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Disk;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Role;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
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
    /// @param millis when that was
    /// @param stillMillis until when nothing had arrived
    private record Begun(long bytes, long millis, long stillMillis) {}

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
        List<String> steps = new ArrayList<>();
        for (Group group : state.groups().values()) {
            if (group.replicas().stream().noneMatch(leaves)) {
                continue;
            }
            // What a silent node held may have nowhere to go.
            if (!kind.equals("rebuild") || group.voters().size() < group.replicas().size()) {
                steps.add(step(group, reports, leaves));
            }
            if (group.dataVoters().stream().anyMatch(leaves)) {
                long bytes = Spread.bytes(group, reports);
                left += bytes;
                arrived += Math.min(bytes, arrived(group, reports));
            }
        }
        if (steps.isEmpty()) {
            return;
        }
        String id = kind + "-" + what;
        seen.add(id);
        long now = millis.getAsLong();
        long toMove = left;
        Begun before = begun.computeIfAbsent(id, i -> new Begun(toMove, now, now));
        long bytes = Math.max(before.bytes, left); // users may have written meanwhile
        long done = bytes - left + arrived;
        Begun first = new Begun(bytes, before.millis, done == 0 ? now : before.stillMillis);
        begun.put(id, first);
        // What goes before the first byte says nothing about the rate.
        long spent = now - first.stillMillis;
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
                        eta,
                        String.join("; ", steps)));
    }

    /// What is being done about a group that has a replica which leaves.
    private static String step(
            Group group, Map<String, NodeReport> reports, Predicate<Replica> leaves) {
        String name = group.id() == 0 ? "system group: " : "g" + group.id() + ": ";
        ReplicaReport leader = Memberships.leader(group, reports);
        if (leader == null) {
            return name + "waiting for a leader";
        }
        for (Replica replica : group.replicas()) {
            if (replica.role() == Role.LEARNER) {
                NodeReport node = reports.get(replica.node());
                ReplicaReport mine = node == null ? null : node.replica(replica.peer(), group.id());
                boolean complete =
                        mine != null
                                && Memberships.close(mine, leader)
                                && leader.members().contains(mine.peer());
                return name
                        + (mine == null
                                ? "opening a replica on "
                                : complete ? "giving a vote to " : "copying to ")
                        + replica.node();
            }
        }
        return name
                + (group.voters().stream().anyMatch(leaves) ? "waiting" : "changing its members");
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
