package io.cistern.server.iscsi;

import io.cistern.block.CisternException;
import io.cistern.iscsi.Portal;
import io.cistern.iscsi.PortalConfig;
import io.cistern.iscsi.cluster.ClusterTargets;
import io.cistern.iscsi.cluster.UnitFactory;
import io.cistern.iscsi.login.ChapAlgorithm;
import io.cistern.iscsi.scsi.CopyDomain;
import io.cistern.iscsi.scsi.LogicalUnit;
import io.cistern.iscsi.session.PortalMetrics;
import io.cistern.iscsi.session.SessionInfo;
import io.cistern.server.config.ServerConfig.IscsiConfig;
import io.cistern.server.metrics.Metric;
import io.cistern.volume.ClusterNode;
import io.cistern.volume.ClusterNode.Sample;
import io.cistern.volume.ExportView.PortalNode;
import io.cistern.volume.IscsiExport;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.time.InstantSource;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The iSCSI portal of one node. It begins to listen once the node has its number in the cluster
/// and has opened what is exported: an initiator that comes back to a node that has just been
/// started must not be told that its target does not exist.
///
/// ```
/// WAITING --number known, targets open--> LISTENING
///    '------------- close -----------------'--> CLOSED
/// ```
public final class IscsiFrontEnd implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(IscsiFrontEnd.class);
    private static final Duration OPEN_PATIENCE = Duration.ofSeconds(10);
    private static final long RETRY_MILLIS = 5_000;
    private static final long LOOK_MILLIS = 200;
    private static final int LOOPS = Math.clamp(Runtime.getRuntime().availableProcessors(), 1, 8);

    private final ClusterNode node;
    private final IscsiConfig config;
    private final EventLoopGroup loops;
    private final Thread opener;

    // Set by the opener.
    private volatile @Nullable ClusterTargets targets;
    private final CopyDomain copyDomain = new CopyDomain();
    private volatile @Nullable Portal portal;

    private IscsiFrontEnd(ClusterNode node, IscsiConfig config) {
        this.node = node;
        this.config = config;
        this.loops =
                new MultiThreadIoEventLoopGroup(
                        LOOPS,
                        new DefaultThreadFactory("iscsi-" + node.name(), true),
                        NioIoHandler.newFactory());
        this.opener = Thread.ofVirtual().name("portal-" + node.name()).unstarted(this::open);
    }

    /// Returns at once; the portal listens when it can.
    public static IscsiFrontEnd start(ClusterNode node, IscsiConfig config) {
        IscsiFrontEnd front = new IscsiFrontEnd(node, config);
        node.showSessions(front::sessions);
        front.opener.start();
        return front;
    }

    private void open() {
        try {
            int number = number();
            catchUp();
            ClusterTargets opened = new ClusterTargets(node, this::unit, number);
            targets = opened;
            opened.awaitOpen(OPEN_PATIENCE);
            while (portal == null) {
                try {
                    Portal listening = Portal.open(portalConfig(number), opened, loops);
                    portal = listening;
                    log.info(
                            "iSCSI portal {} of node {} listens on {}",
                            number,
                            node.name(),
                            listening.addresses());
                } catch (CisternException e) {
                    log.error("the iSCSI portal cannot listen yet: {}", e.getMessage());
                    Thread.sleep(RETRY_MILLIS);
                }
            }
        } catch (InterruptedException closing) {
            log.debug("closed before it listened");
        } catch (RuntimeException e) {
            log.error("the iSCSI portal of node {} cannot start", node.name(), e);
        }
    }

    /// What this node knows of exports is from before it was stopped, until it has heard of a
    /// leader. Without one for a while it goes on with that.
    private void catchUp() throws InterruptedException {
        long from = System.nanoTime();
        while (System.nanoTime() - from < OPEN_PATIENCE.toNanos()) {
            try {
                node.admin().exports();
                return;
            } catch (CisternException e) {
                log.debug("exports are not known yet: {}", e.getMessage());
                Thread.sleep(LOOK_MILLIS);
            }
        }
    }

    /// This node's number, as soon as the cluster has given it one.
    private int number() throws InterruptedException {
        while (true) {
            for (PortalNode known : node.exports().nodes()) {
                if (known.name().equals(node.name())) {
                    return known.number();
                }
            }
            Thread.sleep(LOOK_MILLIS);
        }
    }

    private UnitFactory.Unit unit(UnitFactory.Parts parts) {
        LogicalUnit unit =
                new LogicalUnit(
                        new LogicalUnit.Config(
                                parts.targetName(),
                                parts.clusterId(),
                                parts.volumeId(),
                                parts.blockBytes(),
                                parts.portTag()),
                        parts.device(),
                        parts.ports(),
                        parts.space(),
                        InstantSource.system());
        unit.join(copyDomain);
        return new UnitFactory.Unit(unit, unit);
    }

    private PortalConfig portalConfig(int number) {
        PortalConfig.Limits usual = PortalConfig.Limits.DEFAULT;
        PortalConfig defaults = PortalConfig.of(config.listen().getFirst(), number);
        return new PortalConfig(
                config.listen().stream().filter(a -> !config.optional(a) || free(a)).toList(),
                number,
                defaults.offer(),
                algorithms(),
                new PortalConfig.Limits(
                        config.maxConnections(),
                        Math.min(usual.maxLogins(), config.maxConnections()),
                        usual.maxSessionsPerInitiator(),
                        usual.commandWindow(),
                        usual.maxTextBytes(),
                        usual.memory()),
                defaults.timeouts());
    }

    private static boolean free(InetSocketAddress address) {
        try (ServerSocket socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(address);
            return true;
        } catch (IOException taken) {
            log.info("{} is taken by another program; the portal does without", address);
            return false;
        }
    }

    private Set<ChapAlgorithm> algorithms() {
        Set<ChapAlgorithm> allowed = EnumSet.noneOf(ChapAlgorithm.class);
        for (String name : config.chapAlgorithms()) {
            allowed.add(
                    switch (name) {
                        case "sha3-256" -> ChapAlgorithm.SHA3_256;
                        case "sha256" -> ChapAlgorithm.SHA_256;
                        case "sha1" -> ChapAlgorithm.SHA1;
                        case "md5" -> ChapAlgorithm.MD5;
                        default -> throw new IllegalStateException("CHAP algorithm " + name);
                    });
        }
        return allowed;
    }

    private List<IscsiExport.Session> sessions() {
        Portal open = portal;
        return open == null ? List.of() : open.sessions().stream().map(this::shown).toList();
    }

    private IscsiExport.Session shown(SessionInfo s) {
        String target = s.targetName();
        return new IscsiExport.Session(
                node.name(),
                target.startsWith(IscsiExport.PREFIX)
                        ? target.substring(IscsiExport.PREFIX.length())
                        : null,
                s.initiatorName(),
                s.remote(),
                s.since().toEpochMilli(),
                s.traffic().reads() + s.traffic().writes() + s.traffic().others(),
                s.traffic().bytesRead(),
                s.traffic().bytesWritten());
    }

    /// For the metrics page.
    public List<Sample> metrics() {
        Portal open = portal;
        if (open == null) {
            return List.of();
        }
        PortalMetrics.Snapshot now = open.metrics();
        return List.of(
                sample(Metric.ISCSI_SESSIONS, open.sessions().size()),
                sample(Metric.ISCSI_CONNECTIONS, now.accepted()),
                sample(Metric.ISCSI_CONNECTIONS_REFUSED, now.refused()),
                sample(Metric.ISCSI_LOGINS, now.logins()),
                sample(Metric.ISCSI_LOGINS_FAILED, now.failedLogins()),
                sample(Metric.ISCSI_AUTHENTICATIONS_FAILED, now.failedAuthentications()),
                sample(Metric.ISCSI_COMMANDS, now.commands()),
                sample(Metric.ISCSI_READ_BYTES, now.bytesRead()),
                sample(Metric.ISCSI_WRITTEN_BYTES, now.bytesWritten()),
                sample(Metric.ISCSI_REJECTS, now.rejects()),
                sample(Metric.ISCSI_DIGEST_ERRORS, now.digestErrors()),
                sample(Metric.ISCSI_TIMEOUTS, now.timeouts()));
    }

    private static Sample sample(Metric metric, long value) {
        return new Sample(metric.metricName(), List.of(), value);
    }

    /// Has every initiator log out, then gives the volumes back. Blocks for some seconds at most.
    @Override
    public void close() {
        opener.interrupt();
        try {
            opener.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        Portal open = portal;
        if (open != null) {
            open.close();
        }
        ClusterTargets opened = targets;
        if (opened != null) {
            opened.close();
        }
        loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(2_000);
    }
}
