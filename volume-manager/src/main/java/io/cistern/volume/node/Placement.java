package io.cistern.volume.node;

import io.cistern.volume.system.SystemCommand.Place;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Disk;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Role;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Chooses nodes and disks for replicas, and nodes for witnesses: distinct nodes that are up and
/// not draining; zones not yet used first, then fewer replicas, then more free space. Pure
/// functions.
final class Placement {
    /// Of what a replica holds, to be free beside it.
    private static final int RESERVE_PERCENT = 5;

    private Placement() {}

    private enum Kind {
        DATA,
        /// On any node.
        SYSTEM,
        WITNESS;

        boolean mayUse(Node node, Map<String, NodeReport> reports, long bytes) {
            boolean data = disk(node, reports) >= 0 && fits(node, reports, bytes);
            return switch (this) {
                case DATA -> data;
                case SYSTEM -> node.witness() || data;
                case WITNESS -> node.witness();
            };
        }
    }

    /// Places for a new group, the witness's last where there is one, or null where there are too
    /// few nodes.
    static @Nullable List<Place> forGroup(
            SystemState state, Map<String, NodeReport> reports, int wanted) {
        List<Place> places = new ArrayList<>();
        Set<String> nodes = new HashSet<>();
        while (places.size() < wanted) {
            Place next = best(state, reports, nodes, Kind.DATA, 0);
            if (next == null) {
                return null;
            }
            places.add(next);
            nodes.add(next.node());
        }
        if (wanted == Group.WITNESSED_REPLICAS) {
            Place witness = best(state, reports, nodes, Kind.WITNESS, 0);
            if (witness == null) {
                return null;
            }
            places.add(witness);
        }
        return places;
    }

    /// A place for one more replica of `group`, next to those that stay, or null.
    ///
    /// @param leaving the replica it takes the place of; its node may be chosen again unless the
    ///   node is draining
    static @Nullable Place forReplica(
            SystemState state,
            Map<String, NodeReport> reports,
            Group group,
            @Nullable Replica leaving) {
        Kind kind = group.id() == 0 ? Kind.SYSTEM : Kind.DATA;
        return best(state, reports, taken(group, leaving), kind, Spread.bytes(group, reports));
    }

    /// The same for its witness.
    static @Nullable Place forWitness(
            SystemState state,
            Map<String, NodeReport> reports,
            Group group,
            @Nullable Replica leaving) {
        return best(state, reports, taken(group, leaving), Kind.WITNESS, 0);
    }

    private static Set<String> taken(Group group, @Nullable Replica leaving) {
        Set<String> taken = new HashSet<>();
        for (Replica replica : group.replicas()) {
            if (!replica.equals(leaving) && replica.role() != Role.RETIRED) {
                taken.add(replica.node());
            }
        }
        return taken;
    }

    private static @Nullable Place best(
            SystemState state,
            Map<String, NodeReport> reports,
            Set<String> taken,
            Kind kind,
            long bytes) {
        Set<String> zones = new HashSet<>();
        taken.forEach(name -> {
            Node node = state.nodes().get(name);
            if (node != null) {
                zones.add(node.zone());
            }
        });
        Map<String, Long> load = load(state);
        return state.nodes().values().stream()
                .filter(node -> !taken.contains(node.name()) && !node.draining())
                .filter(node -> reports.containsKey(node.name()))
                .filter(node -> kind.mayUse(node, reports, bytes))
                .min(
                        Comparator.comparing((Node node) -> zones.contains(node.zone()))
                                .thenComparing(node -> load.getOrDefault(node.name(), 0L))
                                .thenComparing(node -> -free(node, disk(node, reports), reports))
                                .thenComparing(Node::name))
                .map(node -> new Place(node.name(), Math.max(0, disk(node, reports))))
                .orElse(null);
    }

    private static Map<String, Long> load(SystemState state) {
        Map<String, Long> load = new HashMap<>();
        for (Group group : state.groups().values()) {
            for (Replica replica : group.replicas()) {
                if (group.id() != 0 && replica.role() != Role.RETIRED) {
                    load.merge(replica.node(), 1L, Long::sum);
                }
            }
        }
        return load;
    }

    private static boolean fits(Node node, Map<String, NodeReport> reports, long bytes) {
        return free(node, disk(node, reports), reports) - bytes > bytes / 100 * RESERVE_PERCENT;
    }

    /// The node's usable disk with the most free space, -1 if there is none.
    static int disk(Node node, Map<String, NodeReport> reports) {
        return node.disks().stream()
                .filter(disk -> !disk.draining() && free(node, disk.number(), reports) > 0)
                .max(Comparator.comparing(disk -> free(node, disk.number(), reports)))
                .map(Disk::number)
                .orElse(-1);
    }

    static long free(Node node, int disk, Map<String, NodeReport> reports) {
        NodeReport report = reports.get(node.name());
        if (report == null) {
            return 0;
        }
        return report.disks().stream()
                .filter(d -> d.number() == disk && d.error() == null)
                .mapToLong(NodeReport.DiskReport::freeBytes)
                .findFirst()
                .orElse(0);
    }

    /// Bytes that a group could still take: what the fullest disk of its voters has free.
    static long free(SystemState state, Map<String, NodeReport> reports, Group group) {
        return group.dataVoters().stream()
                .mapToLong(replica -> {
                    Node node = state.nodes().get(replica.node());
                    return node == null ? 0 : free(node, replica.disk(), reports);
                })
                .min()
                .orElse(0);
    }
}
