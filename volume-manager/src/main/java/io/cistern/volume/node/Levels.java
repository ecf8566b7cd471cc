package io.cistern.volume.node;

import io.cistern.storage.group.GroupHost;
import io.cistern.volume.system.Level;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemState;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Brings the cluster to the format level that all its nodes know, see [Level], and says which of
/// them keep it from a higher one.
final class Levels {
    private static final Logger log = LoggerFactory.getLogger(Levels.class);

    private Levels() {}

    /// Raises the level where every node of the cluster says that it knows a higher one. A node
    /// that does not answer may be of any release: then nothing is raised. Blocks; for the system
    /// leader.
    ///
    /// @throws io.cistern.block.CisternException UNAVAILABLE, BUSY where a node has just joined
    static void raise(Cluster cluster, SystemState state, Map<String, NodeReport> reports) {
        int lowest = Level.NEWEST;
        for (String node : state.nodes().keySet()) {
            NodeReport report = reports.get(node);
            lowest = report == null ? 0 : Math.min(lowest, report.knownLevel());
        }
        if (lowest > state.level()) {
            List<String> nodes = List.copyOf(state.nodes().keySet());
            cluster.system()
                    .propose(
                            new SystemCommand.RaiseLevel(Cluster.request(), lowest, nodes),
                            Cluster.CONTROL);
            log.info("the cluster is at format level {}: {} know it", lowest, nodes);
        }
    }

    /// Has leaders among a node's replicas write what is known at `level`.
    static void use(GroupHost host, int level) {
        host.rememberEnds(level >= Level.ENDED_ATTACHMENTS);
        host.countEnds(level >= Level.LATE_REQUESTS);
    }

    /// Nodes that answer and do not know `level`, in the order of their names.
    static List<String> older(Map<String, NodeReport> reports, int level) {
        return reports.values().stream()
                .filter(report -> report.knownLevel() < level)
                .map(NodeReport::name)
                .sorted()
                .toList();
    }

    /// "node n1 runs an older Cistern", or several of them.
    static String runOlder(List<String> nodes) {
        return nodes.size() == 1
                ? "node " + nodes.getFirst() + " runs an older Cistern"
                : "nodes " + String.join(", ", nodes) + " run an older Cistern";
    }

    /// What there is to say of the releases that the nodes run, a sentence each; nothing where all
    /// that answer know the newest that any of them knows.
    static List<String> notes(SystemState state, Map<String, NodeReport> reports) {
        List<String> notes = new ArrayList<>();
        int newest = state.level();
        for (NodeReport report : reports.values()) {
            newest = Math.max(newest, report.knownLevel());
        }
        List<String> older = older(reports, newest);
        if (!older.isEmpty()) {
            notes.add(
                    runOlder(older)
                            + ": what is new since then is not used before "
                            + (older.size() == 1 ? "it has" : "they have")
                            + " been upgraded");
        }
        return notes;
    }
}
