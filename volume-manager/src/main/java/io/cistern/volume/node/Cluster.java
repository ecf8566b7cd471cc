package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.net.RpcClient;
import io.cistern.volume.IscsiExport;
import io.cistern.volume.ShareUse;
import io.cistern.volume.client.Client;
import io.cistern.volume.client.ClusterMap.Location;
import io.cistern.volume.client.Waits;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Phase;
import io.cistern.volume.system.SystemState.Volume;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;

/// The ways to the rest of the cluster that the parts of a node share.
///
/// @param rpc for control messages
/// @param client the node's own volume client
record Cluster(Catalog catalog, SystemClient system, RpcClient rpc, Client client) {
    static final Duration CONTROL = Duration.ofSeconds(25);
    private static final Duration REPORT = Duration.ofMillis(1500);
    private static final Duration ORDER = Duration.ofSeconds(15);
    private static final Duration LONG_ORDER = Duration.ofDays(7);

    /// How often it is seen whether a node that carries out a long order is there.
    private static final Duration LOOK = Duration.ofSeconds(2);

    /// A node that says nothing for so long is given up. A busy one may miss a report or two.
    private static final Duration SILENT = Duration.ofSeconds(10);

    static String request() {
        return UUID.randomUUID().toString();
    }

    /// As new as any acknowledged change.
    SystemState fresh() {
        SystemState state = system.latest();
        catalog.learned(state);
        return state;
    }

    /// A volume that is ready.
    ///
    /// @throws CisternException NOT_FOUND
    Volume volume(String name) {
        return ready(fresh(), name);
    }

    static Volume ready(SystemState state, String name) {
        Volume volume = state.volumeNamed(name);
        if (volume == null || volume.phase() != Phase.READY) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND,
                    "there is no volume '" + name + "'; see 'cistern volume list'");
        }
        return volume;
    }

    static Location location(SystemState state, String name) {
        Volume volume = ready(state, name);
        return new Location(
                volume.id(), volume.group(), state.targets().exports().containsKey(volume.id()));
    }

    /// What every node that answers in time says of itself, by name.
    Map<String, NodeReport> reports() {
        Map<String, InetSocketAddress> nodes = new HashMap<>();
        for (String node : catalog.state().nodes().keySet()) {
            InetSocketAddress address = catalog.wire(node);
            if (address != null) {
                nodes.put(node, address);
            }
        }
        return reports(rpc, nodes, catalog.state().version());
    }

    /// What every node of these that answers in time says of itself, by name.
    ///
    /// @param nodes where each listens
    /// @param version of the system state that is known here: a node that knows an older one looks
    ///   for it at once; -1 for none. Nodes of earlier releases do not read it
    static Map<String, NodeReport> reports(
            RpcClient rpc, Map<String, InetSocketAddress> nodes, long version) {
        Map<String, CompletableFuture<NodeReport>> asked = new HashMap<>();
        nodes.forEach((node, address) ->
                asked.put(
                        node,
                        rpc.call(
                                        address,
                                        Opcodes.REPORT,
                                        REPORT,
                                        Unpooled.buffer(Long.BYTES).writeLong(version))
                                .thenApply(answer -> parsed(NodeReport.class, answer))));
        Map<String, NodeReport> reports = new HashMap<>();
        asked.forEach((node, answer) -> {
            try {
                reports.put(node, Waits.get(answer, REPORT));
            } catch (CisternException e) {
                org.slf4j.LoggerFactory.getLogger(Cluster.class)
                        .debug("no report from {}: {}", node, e.getMessage());
            }
        });
        return reports;
    }

    /// Who is logged in at every node that answers in time.
    List<IscsiExport.Session> sessions() {
        return everywhere(Opcodes.SESSIONS, IscsiSessions.class).stream()
                .flatMap(s -> s.sessions().stream())
                .toList();
    }

    /// Who uses the shares of every node that answers in time.
    ShareUse shareUse() {
        List<ShareUse> all = everywhere(Opcodes.SHARE_USE, ShareUse.class);
        return new ShareUse(
                all.stream().flatMap(u -> u.clients().stream()).toList(),
                all.stream().flatMap(u -> u.locks().stream()).toList());
    }

    private <T> List<T> everywhere(int opcode, Class<T> type) {
        List<CompletableFuture<T>> asked = new ArrayList<>();
        for (String node : catalog.state().nodes().keySet()) {
            InetSocketAddress address = catalog.wire(node);
            if (address != null) {
                asked.add(
                        rpc.call(address, opcode, REPORT, Unpooled.EMPTY_BUFFER)
                                .thenApply(answer -> parsed(type, answer)));
            }
        }
        List<T> all = new ArrayList<>();
        for (CompletableFuture<T> answer : asked) {
            try {
                all.add(Waits.get(answer, REPORT));
            } catch (CisternException e) {
                org.slf4j.LoggerFactory.getLogger(Cluster.class)
                        .debug("a node did not answer: {}", e.getMessage());
            }
        }
        return all;
    }

    /// Has `node` carry out an order.
    ///
    /// @throws CisternException its refusal, UNAVAILABLE
    NodeOrder.Done order(String node, NodeOrder order) {
        return order(node, order, ORDER);
    }

    NodeOrder.Done order(String node, NodeOrder order, Duration timeout) {
        return Waits.get(ordering(node, order, timeout), timeout);
    }

    /// As [#order(String, NodeOrder)], without waiting for the answer.
    CompletableFuture<NodeOrder.Done> ordering(String node, NodeOrder order) {
        return ordering(node, order, ORDER);
    }

    private CompletableFuture<NodeOrder.Done> ordering(
            String node, NodeOrder order, Duration timeout) {
        return rpc.call(address(node), Opcodes.ORDER, timeout, Json.buffer(NodeOrder.class, order))
                .thenApply(answer -> parsed(NodeOrder.Done.class, answer));
    }

    /// As [#order], for one that may take days: for as long as its node says how it is.
    ///
    /// @throws CisternException UNAVAILABLE also where the node has said nothing for [#SILENT]
    NodeOrder.Done longOrder(String node, NodeOrder order) {
        InetSocketAddress address = address(node);
        CompletableFuture<NodeOrder.Done> answer = ordering(node, order, LONG_ORDER);
        long heardNanos = System.nanoTime();
        while (true) {
            try {
                return Waits.get(answer, LOOK);
            } catch (CisternException e) {
                if (answer.isDone()) {
                    return Waits.get(answer, LOOK);
                }
                if (Thread.currentThread().isInterrupted()) {
                    throw e;
                }
            }
            if (!reports(rpc, Map.of(node, address), -1).isEmpty()) {
                heardNanos = System.nanoTime();
            } else if (System.nanoTime() - heardNanos >= SILENT.toNanos()) {
                throw new CisternException(
                        ErrorCode.UNAVAILABLE,
                        node + " has not answered for " + SILENT.toSeconds() + " s");
            }
        }
    }

    private InetSocketAddress address(String node) {
        InetSocketAddress address = catalog.wire(node);
        if (address == null) {
            throw new CisternException(ErrorCode.NOT_FOUND, "there is no node '" + node + "'");
        }
        return address;
    }

    private static <T> T parsed(Class<T> type, ByteBuf answer) {
        try {
            return Json.parse(type, answer, "a node's answer");
        } finally {
            answer.release();
        }
    }
}
