package io.cistern.server.nfs;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.nas.NfsConfig;
import io.cistern.nas.NfsServer;
import io.cistern.nas.cluster.ClusterShares;
import io.cistern.nas.rpc.RpcLimits;
import io.cistern.nas.share.HandleCodec;
import io.cistern.nas.state.NfsState;
import io.cistern.nas.state.StateLimits;
import io.cistern.server.config.ServerConfig;
import io.cistern.server.metrics.Metric;
import io.cistern.volume.ClusterNode;
import io.cistern.volume.ClusterNode.Sample;
import io.cistern.volume.ShareUse;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The NFS server of one node, over the shares of its cluster.
public final class NfsFrontEnd implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(NfsFrontEnd.class);
    private static final int LOOPS = Math.clamp(Runtime.getRuntime().availableProcessors(), 1, 8);
    private static final int CACHED_REPLIES = 8_192;

    /// Added to the lease: clients notice a new owner within one, and need a while to reclaim.
    private static final int GRACE_EXTRA_SECONDS = 15;

    private final ClusterShares shares;
    private final NfsServer server;

    private NfsFrontEnd(ClusterShares shares, NfsServer server) {
        this.shares = shares;
        this.server = server;
    }

    /// Begins to serve.
    ///
    /// @throws CisternException BUSY where an address is in use; INVALID where the certificate
    ///   cannot be used
    public static NfsFrontEnd start(ClusterNode node, ServerConfig.NfsConfig config) {
        NfsConfig nfs =
                new NfsConfig(
                        config.listen(),
                        config.portmapper(),
                        node.name(),
                        scope(node.clusterId()),
                        HandleCodec.keyFrom(node.clusterId()),
                        tls(config.tls()),
                        RpcLimits.DEFAULT,
                        StateLimits.DEFAULT.withLease(
                                config.leaseSeconds(), config.leaseSeconds() + GRACE_EXTRA_SECONDS),
                        LOOPS,
                        CACHED_REPLIES);
        ClusterShares shares = new ClusterShares(node);
        try {
            NfsServer server = listen(nfs, shares);
            log.info("NFS of node {} listens on {}", node.name(), server.addresses());
            node.showShareUse(() -> use(node.name(), server));
            return new NfsFrontEnd(shares, server);
        } catch (RuntimeException e) {
            shares.close();
            throw e;
        }
    }

    /// The cluster's id is what file handles are checked with: clients are told a digest of it.
    private static String scope(String clusterId) {
        return HexFormat.of().formatHex(HandleCodec.keyFrom("scope " + clusterId));
    }

    /// On the first address at least: others, such as the standard port, may be somebody else's.
    private static NfsServer listen(NfsConfig config, ClusterShares shares) {
        try {
            return NfsServer.start(config, shares);
        } catch (CisternException e) {
            if (config.addresses().size() == 1 || e.code() != ErrorCode.BUSY) {
                throw e;
            }
            log.warn("NFS is served on {} only: {}", config.addresses().getFirst(), e.getMessage());
            return NfsServer.start(config.withAddresses(config.addresses().subList(0, 1)), shares);
        }
    }

    private static @Nullable SslContext tls(ServerConfig.@Nullable ApiTls files) {
        if (files == null) {
            return null;
        }
        try {
            return NfsConfig.tlsFor(
                    SslContextBuilder.forServer(
                            files.certificate().toFile(), files.key().toFile()));
        } catch (SSLException | IllegalArgumentException e) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "nfs.certificate " + files.certificate() + " cannot be used: " + e.getMessage(),
                    e);
        }
    }

    private static ShareUse use(String node, NfsServer server) {
        List<ShareUse.Client> clients = new ArrayList<>();
        Map<Long, String> names = new HashMap<>();
        for (NfsState.ClientView c : server.clients()) {
            names.put(c.id(), c.owner());
            c.shares()
                    .forEach((share, opens) ->
                            clients.add(
                                    new ShareUse.Client(
                                            node,
                                            share,
                                            c.owner(),
                                            c.address(),
                                            c.expired(),
                                            c.idleMillis(),
                                            c.sessions(),
                                            opens,
                                            c.locks(),
                                            c.delegations(),
                                            c.rates().requests(),
                                            c.rates().readBytes(),
                                            c.rates().writtenBytes())));
        }
        server.mountsByShare()
                .forEach((share, hosts) ->
                        hosts.forEach(host ->
                                clients.add(
                                        new ShareUse.Client(
                                                node, share, "NFSv3", host, false, -1, 0, 0, 0, 0,
                                                0, 0, 0))));
        List<ShareUse.Lock> locks = new ArrayList<>();
        for (NfsState.LockView l : server.locks()) {
            locks.add(
                    new ShareUse.Lock(
                            node,
                            l.file().share(),
                            l.file().inode(),
                            names.getOrDefault(l.client(), "?"),
                            l.first(),
                            l.last(),
                            l.exclusive()));
        }
        return new ShareUse(clients, locks);
    }

    /// For the metrics page.
    public List<Sample> metrics() {
        NfsServer.Metrics m = server.metrics();
        List<Sample> samples = new ArrayList<>();
        add(samples, Metric.NFS_CONNECTIONS, m.connections());
        add(samples, Metric.NFS_CLIENTS, m.state().clients());
        add(samples, Metric.NFS_OPENS, m.state().opens());
        add(samples, Metric.NFS_SESSIONS, m.state().sessions());
        add(samples, Metric.NFS_LOCKS, m.state().locks());
        add(samples, Metric.NFS_DELEGATIONS, m.state().delegations().held());
        add(samples, Metric.NFS_DELEGATIONS_REVOKED, m.state().delegations().revoked());
        add(samples, Metric.NFS_GRACE, m.state().inGrace());
        add(samples, Metric.NFS_IN_FLIGHT, m.inFlight());
        add(samples, Metric.NFS_HELD_BYTES, m.heldBytes());
        add(samples, Metric.NFS_CALLBACKS, m.rpc().callbacks());
        add(samples, Metric.NFS_THROTTLED, m.rpc().throttled() + m.rpc().saturated());
        add(samples, Metric.NFS_CALLS, m.rpc().calls());
        add(samples, Metric.NFS_RECEIVED_BYTES, m.rpc().receivedBytes());
        add(samples, Metric.NFS_SENT_BYTES, m.rpc().sentBytes());
        add(samples, Metric.NFS_MALFORMED, m.rpc().malformed());
        for (Map.Entry<String, Long> call : m.calls().entrySet()) {
            if (call.getValue() > 0) {
                samples.add(
                        new Sample(
                                Metric.NFS_OPERATIONS.metricName(),
                                List.of("operation", call.getKey()),
                                call.getValue()));
            }
        }
        return samples;
    }

    private static void add(List<Sample> samples, Metric metric, double value) {
        samples.add(new Sample(metric.metricName(), List.of(), value));
    }

    @Override
    public void close() {
        server.close();
        shares.close();
    }
}
