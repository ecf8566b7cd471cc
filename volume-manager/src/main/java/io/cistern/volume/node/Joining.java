package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.net.RpcClient;
import io.cistern.volume.system.Level;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Node;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// How a node becomes part of a cluster whose nodes may be of another release.
///
/// @param seeds node wire addresses of nodes of the cluster
/// @param level the newest format level that this program knows
record Joining(RpcClient rpc, List<InetSocketAddress> seeds, int level) {
    private static final Duration JOIN = Duration.ofSeconds(20);

    /// Blocks.
    ///
    /// @throws CisternException UNAUTHORIZED for the token; INVALID where this program is too old
    ///   for the cluster, or a node of the cluster is for what joins
    void join(String tokenHash, Node node) {
        SystemClient client = new SystemClient(rpc, () -> seeds, () -> SystemState.EMPTY);
        SystemState state = node.witness() ? witnessed(client, node.name()) : client.fresh(JOIN);
        while (true) {
            Level.require(state.level(), level, "the cluster");
            // What says its level can be read by nodes that know levels only.
            int said = state.level() == 0 ? 0 : level;
            String request =
                    "join-" + tokenHash + "-" + node.name() + (said == 0 ? "" : "-levelled");
            try {
                client.propose(
                        new SystemCommand.JoinNode(
                                request, tokenHash, System.currentTimeMillis(), node, said),
                        JOIN);
                return;
            } catch (CisternException e) {
                SystemState now = client.fresh(JOIN);
                if (e.code() != ErrorCode.INVALID || now.level() == state.level()) {
                    throw e;
                }
                state = now; // raised in between
            }
        }
    }

    /// The state, once all nodes know of witnesses. In a cluster that has just been formed that
    /// takes a moment.
    private SystemState witnessed(SystemClient client, String name) {
        long deadline = System.nanoTime() + JOIN.toNanos();
        while (true) {
            SystemState state = client.fresh(JOIN);
            if (state.level() >= Level.WITNESSES) {
                return state;
            }
            Map<String, NodeReport> reports = reports(state);
            List<String> older = Levels.older(reports, Level.WITNESSES);
            boolean timeOut = System.nanoTime() - deadline >= 0;
            if (!older.isEmpty() || timeOut) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        "'"
                                + name
                                + "' cannot join as a witness yet: "
                                + (older.isEmpty()
                                        ? "not every node has said that it knows witnesses; start those that are down"
                                        : Levels.runOlder(older)
                                                + " that does not know witnesses as this one does; upgrade that first"));
            }
            SystemClient.pause();
        }
    }

    /// Of which release those are that do not answer is not known.
    private Map<String, NodeReport> reports(SystemState state) {
        Map<String, InetSocketAddress> nodes = new TreeMap<>();
        state.nodes().values().forEach(n -> nodes.put(n.name(), Addresses.parse(n.wire())));
        return Cluster.reports(rpc, nodes, -1);
    }
}
