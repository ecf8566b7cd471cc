package io.cistern.raft.ratis;

import io.cistern.block.CisternException;
import io.cistern.raft.net.RpcClient;
import io.cistern.raft.net.RpcIdentity;
import io.cistern.raft.net.RpcLimits;
import io.cistern.raft.net.RpcLoops;
import io.cistern.raft.net.RpcServer;
import io.cistern.raft.net.TlsConfig;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.ratis.RaftConfigKeys;
import org.apache.ratis.conf.Parameters;
import org.apache.ratis.conf.RaftProperties;
import org.apache.ratis.server.RaftServerConfigKeys;
import org.jspecify.annotations.Nullable;

/// A node's Raft port, and its connections to those of others. Any number of RaftServers, each with
/// any number of groups, share one: requests find their replica by group and peer id.
///
/// To use it, create one per node, [#bind] it, and before building a RaftServer call
/// `transport.configure(properties, parameters)`. Close the servers before the transport.
public final class RatisTransport implements AutoCloseable {
    /// A connect to a node that does not answer holds up the next try no longer than this.
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(2);

    private final RpcServer server;
    private final RpcClient client;
    private final RpcLoops loops;
    private final Hooks hooks;
    private final ExecutorService blocking;
    private final Inbound inbound;
    private final ConcurrentHashMap<InetSocketAddress, PeerLink> links = new ConcurrentHashMap<>();
    private volatile @Nullable InetSocketAddress address;

    /// What the transport does outside of itself.
    ///
    /// @param sync makes votes durable, see [MetadataSync]
    /// @param links which messages pass; [LinkFilter#OPEN] but in tests
    /// @param witnesses which replicas keep no data
    public record Hooks(MetadataSync sync, LinkFilter links, Witnesses witnesses) {}

    /// @param identity service [RpcIdentity#SERVICE_RAFT], cluster and node
    /// @param tls null for plaintext
    /// @param loops shared with other servers and clients of the process; closed by their owner
    /// @throws CisternException INVALID if the TLS files cannot be used
    public RatisTransport(
            RpcIdentity identity, @Nullable TlsConfig tls, RpcLoops loops, Hooks hooks) {
        this.loops = loops;
        this.hooks = hooks;
        this.server = new RpcServer(identity, RpcLimits.DEFAULT, tls, loops);
        RpcLimits limits = RpcLimits.DEFAULT.withHandshakeTimeout(CONNECT_TIMEOUT);
        this.client = new RpcClient(identity, limits, tls, loops);
        // One task at a time per group and per follower: bounded by what the node hosts.
        this.blocking =
                Executors.newCachedThreadPool(
                        Thread.ofPlatform().name("raft-blocking-", 0).daemon().factory());
        this.inbound = new Inbound(hooks, blocking);
        inbound.register(server);
    }

    /// Listens on `wanted` (port 0: any free one) and returns the address bound.
    ///
    /// @throws CisternException BUSY if it is taken
    public InetSocketAddress bind(InetSocketAddress wanted) {
        InetSocketAddress bound = server.bind(wanted);
        address = bound;
        return bound;
    }

    /// Makes a RaftServer built with these use this transport, and switches off what would only add
    /// hand-offs between threads to each append, or send snapshots in pieces.
    public void configure(RaftProperties properties, Parameters parameters) {
        RaftConfigKeys.Rpc.setType(properties, new CisternRpcType());
        parameters.put(CisternRpcType.PARAMETER, this, RatisTransport.class);
        RaftServerConfigKeys.Log.Appender.setInstallSnapshotEnabled(properties, false);
        // Appends of one follower arrive in order anyway.
        RaftServerConfigKeys.Log.setAppendEntriesComposeEnabled(properties, false);
    }

    /// The address bound.
    ///
    /// @throws IllegalStateException before [#bind]
    public InetSocketAddress address() {
        InetSocketAddress bound = address;
        if (bound == null) {
            throw new IllegalStateException("the Raft port is not bound yet");
        }
        return bound;
    }

    PeerLink link(InetSocketAddress peer) {
        return links.computeIfAbsent(peer, at -> PeerLink.open(client, at, loops.next()));
    }

    Inbound inbound() {
        return inbound;
    }

    Hooks hooks() {
        return hooks;
    }

    /// Threads for what may block.
    ExecutorService blocking() {
        return blocking;
    }

    @Override
    public void close() {
        server.close();
        client.close();
        blocking.shutdown();
    }
}
