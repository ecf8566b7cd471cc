package io.cistern.volume.node;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;

/// Plans which replica, and which leadership, should move next so that the nodes are filled and
/// used alike. Pure functions: the same layout gives the same move.
///
/// A move of a replica is worth its cost where it lets a group use one more zone; otherwise where
/// it makes the nodes' fill more even, which is measured by the sum of `used^2 / capacity` over the
/// nodes. Every planned move makes the pair (zones shared by replicas of a group, that sum) smaller
/// in this order, so planning on a layout that does not change otherwise comes to an end; and a
/// move for fill alone must leave the node it goes to emptier than the other one was by
/// [#SLACK_PERCENT] of the mean, so that small changes of use start nothing.
///
/// Replicas go only to nodes that are listed, hold no other replica of the group, and keep
/// [#RESERVE_PERCENT] of their space free afterwards. No move lets a group use fewer zones.
final class Balance {
    /// What one replica counts in addition to what it holds, so that empty groups are spread too.
    static final long REPLICA_BYTES = 64L << 20;

    static final int SLACK_PERCENT = 10;
    static final int RESERVE_PERCENT = 10;

    private Balance() {}

    /// A node that may take replicas.
    ///
    /// @param capacityBytes of its disks in use; positive
    /// @param freeBytes of the disk a new replica would go to
    record Node(String name, String zone, long capacityBytes, long freeBytes) {}

    /// @param bytes that each replica holds
    /// @param voters names of the nodes with its replicas
    record Group(long id, long bytes, List<String> voters) {
        Group with(String from, String to) {
            List<String> changed = new ArrayList<>(voters);
            changed.replaceAll(v -> v.equals(from) ? to : v);
            return new Group(id, bytes, List.copyOf(changed));
        }

        private long weight() {
            return bytes + REPLICA_BYTES;
        }
    }

    record Layout(SortedMap<String, Node> nodes, List<Group> groups) {
        /// The layout once `move` is done.
        Layout after(Move move) {
            List<Group> changed = new ArrayList<>(groups);
            changed.replaceAll(g -> g.id == move.group ? g.with(move.from, move.to) : g);
            return new Layout(nodes, List.copyOf(changed));
        }
    }

    record Move(long group, String from, String to) {}

    /// The move that gains most, if any is worth it.
    static Optional<Move> next(Layout layout) {
        Map<String, Long> used = used(layout);
        double mean = mean(layout, used);
        Scored best = null;
        for (Group group : layout.groups) {
            for (String from : group.voters) {
                for (Node to : layout.nodes.values()) {
                    Scored scored = score(layout, used, group, from, to, mean);
                    if (scored != null && (best == null || ORDER.compare(scored, best) > 0)) {
                        best = scored;
                    }
                }
            }
        }
        return Optional.ofNullable(best).map(Scored::move);
    }

    /// The replica that a group of full strength can best spare once a new one on `learner` votes;
    /// empty where it should rather do without the new one.
    static Optional<String> spare(Layout layout, Group group, String learner) {
        Node to = layout.nodes.get(learner);
        if (to == null) {
            return Optional.empty();
        }
        Map<String, Long> used = used(layout);
        // Whoever began has counted the slack; what has changed since must not undo the copy.
        Scored best = null;
        for (String from : group.voters) {
            Scored scored = score(layout, used, group, from, to, 0);
            if (scored != null && (best == null || ORDER.compare(scored, best) > 0)) {
                best = scored;
            }
        }
        return Optional.ofNullable(best).map(s -> s.move.from);
    }

    private record Scored(Move move, int zones, double gain) {}

    private static final Comparator<Scored> ORDER =
            Comparator.comparingInt(Scored::zones).thenComparingDouble(Scored::gain);

    private static @org.jspecify.annotations.Nullable Scored score(
            Layout layout, Map<String, Long> used, Group group, String from, Node to, double mean) {
        Node source = layout.nodes.get(from);
        if (source == null // draining or silent: others see to it
                || group.voters.contains(to.name)
                || to.freeBytes - group.bytes < to.capacityBytes / 100 * RESERVE_PERCENT) {
            return null;
        }
        int zones = zones(layout, group.with(from, to.name).voters) - zones(layout, group.voters);
        double gain = gain(used, source, to, group.weight());
        if (zones > 0) {
            return new Scored(new Move(group.id, from, to.name), zones, gain);
        }
        double fillAfter = fill(used, to, group.weight());
        double slack = mean * SLACK_PERCENT / 100;
        boolean worth = gain > 0 && fillAfter + slack <= fill(used, source, 0);
        return zones == 0 && worth ? new Scored(new Move(group.id, from, to.name), 0, gain) : null;
    }

    /// By how much the sum of `used^2 / capacity` falls.
    private static double gain(Map<String, Long> used, Node from, Node to, long bytes) {
        double a = used.getOrDefault(from.name, 0L);
        double b = used.getOrDefault(to.name, 0L);
        double less = (2 * a - bytes) * bytes / from.capacityBytes;
        double more = (2 * b + bytes) * bytes / to.capacityBytes;
        double gain = less - more;
        return gain > 1e-9 * (Math.abs(less) + Math.abs(more)) ? gain : Math.min(gain, 0);
    }

    private static double fill(Map<String, Long> used, Node node, long more) {
        return (double) (used.getOrDefault(node.name, 0L) + more) / node.capacityBytes;
    }

    private static Map<String, Long> used(Layout layout) {
        Map<String, Long> used = new HashMap<>();
        for (Group group : layout.groups) {
            group.voters.forEach(node -> used.merge(node, group.weight(), Long::sum));
        }
        return used;
    }

    private static double mean(Layout layout, Map<String, Long> used) {
        double bytes = 0;
        double capacity = 0;
        for (Node node : layout.nodes.values()) {
            bytes += used.getOrDefault(node.name, 0L);
            capacity += node.capacityBytes;
        }
        return capacity == 0 ? 0 : bytes / capacity;
    }

    static int zones(Layout layout, List<String> voters) {
        Set<String> zones = new HashSet<>();
        for (String voter : voters) {
            Node node = layout.nodes.get(voter);
            zones.add(node == null ? "?" + voter : node.zone);
        }
        return zones.size();
    }

    // ---- leaders

    /// @param leader the node that leads the group now
    /// @param others nodes with a voter that is up and has what the leader has
    /// @param weight what leading it costs; 1 for an idle group
    record Lead(long group, String leader, List<String> others, double weight) {}

    record Handover(long group, String from, String to) {}

    /// The leadership to hand over so that the leaders' load is more even, if any: each makes the
    /// sum of the squares of the nodes' load smaller.
    static Optional<Handover> nextHandover(List<Lead> leads) {
        Map<String, Double> load = new HashMap<>();
        leads.forEach(lead -> load.merge(lead.leader, lead.weight, Double::sum));
        Handover best = null;
        double most = 0;
        for (Lead lead : leads) {
            for (String to : lead.others) {
                double gap = load.getOrDefault(lead.leader, 0.0) - load.getOrDefault(to, 0.0);
                // Half a weight beyond even, so that it is not handed back.
                if (gap >= 1.5 * lead.weight && gap * lead.weight > most) {
                    most = gap * lead.weight;
                    best = new Handover(lead.group, lead.leader, to);
                }
            }
        }
        return Optional.ofNullable(best);
    }
}
