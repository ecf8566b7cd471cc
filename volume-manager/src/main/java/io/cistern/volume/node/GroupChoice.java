package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Size;
import io.cistern.volume.VolumeSpec;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemCommand.Place;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Finds the group that a new volume goes to: the one with the wanted number of replicas and the
/// most free space.
final class GroupChoice {
    private static final Duration GROUP_READY = Duration.ofSeconds(20);

    private final Cluster cluster;

    GroupChoice(Cluster cluster) {
        this.cluster = cluster;
    }

    void checkFits(long bytes, Group group, Map<String, NodeReport> reports) {
        long smallest = Long.MAX_VALUE;
        for (SystemState.Replica voter : group.dataVoters()) {
            NodeReport report = reports.get(voter.node());
            if (report != null) {
                for (NodeReport.DiskReport disk : report.disks()) {
                    if (disk.number() == voter.disk()) {
                        smallest = Math.min(smallest, disk.totalBytes());
                    }
                }
            }
        }
        if (bytes / VolumeSpec.OVERCOMMIT > smallest) {
            throw new CisternException(
                    ErrorCode.NO_SPACE,
                    Size.format(bytes)
                            + " is more than "
                            + VolumeSpec.OVERCOMMIT
                            + " times what a disk of group g"
                            + group.id()
                            + " can hold ("
                            + Size.format(smallest)
                            + "); add larger disks or ask for less");
        }
    }

    /// The group for a new volume; made where there is none yet.
    Group choose(SystemState state, Map<String, NodeReport> reports, int replicas) {
        boolean witnessed = replicas == Group.WITNESSED_REPLICAS;
        if (replicas != 1 && !witnessed && replicas != 3 && replicas != 5) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "a volume has 1, 3 or 5 replicas, or 2 with a witness, not " + replicas);
        }
        Group best = best(state, reports, replicas);
        if (best != null) {
            return best;
        }
        boolean pending =
                state.groups().values().stream()
                        .anyMatch(g -> g.id() != 0 && g.wanted() == replicas);
        if (!pending) {
            List<Place> places = Placement.forGroup(state, reports, replicas);
            if (places == null) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        replicas
                                + " replicas need as many nodes that are up"
                                + (witnessed ? " and a witness ('cistern node add --witness')" : "")
                                + "; there are "
                                + up(state, reports, false)
                                + (witnessed
                                        ? " and " + up(state, reports, true) + " witnesses"
                                        : ""));
            }
            cluster.system()
                    .propose(
                            new SystemCommand.CreateGroup(Cluster.request(), places),
                            Cluster.CONTROL);
        }
        long deadline = System.nanoTime() + GROUP_READY.toNanos();
        while (best == null) {
            if (System.nanoTime() - deadline >= 0) {
                throw new CisternException(
                        ErrorCode.UNAVAILABLE,
                        "the group for " + replicas + " replicas is not ready yet; try again");
            }
            SystemClient.pause();
            best = best(cluster.fresh(), reports, replicas);
        }
        return best;
    }

    private static long up(SystemState state, Map<String, NodeReport> reports, boolean witness) {
        return state.nodes().values().stream()
                .filter(n -> n.witness() == witness && !n.draining())
                .filter(n -> reports.containsKey(n.name()))
                .count();
    }

    private static @Nullable Group best(
            SystemState state, Map<String, NodeReport> reports, int replicas) {
        return state.groups().values().stream()
                .filter(g -> g.id() != 0 && g.ready() && g.wanted() == replicas)
                .max(
                        Comparator.comparingLong((Group g) -> Placement.free(state, reports, g))
                                .thenComparing(Group::id, Comparator.reverseOrder()))
                .orElse(null);
    }
}
