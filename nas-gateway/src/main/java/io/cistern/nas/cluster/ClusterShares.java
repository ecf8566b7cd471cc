package io.cistern.nas.cluster;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.FileSystem;
import io.cistern.nas.share.Cidr;
import io.cistern.nas.share.ClientRule;
import io.cistern.nas.share.ShareCatalog;
import io.cistern.nas.share.ShareEntry;
import io.cistern.volume.ClusterNode;
import io.cistern.volume.ClusterStatus.NodeInfo;
import io.cistern.volume.ClusterStatus.NodeState;
import io.cistern.volume.ShareInfo;
import io.cistern.volume.ShareRule;
import io.cistern.volume.VolumeInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The shares of a node's cluster, asked for every second.
///
/// A share has one owner. This node becomes it where nobody is, or where the node that was does not
/// answer any more; while another node that answers serves the share, clients here are told to
/// wait. Two nodes that both believe the owner dead cannot both serve: opening fences whoever had
/// the share before.
public final class ClusterShares implements ShareCatalog, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ClusterShares.class);
    private static final long REFRESH_MS = 1_000;
    private static final long SOONEST_NANOS = 200_000_000;

    private final ClusterNode node;
    private final ScheduledExecutorService refresher =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().name("nfs-shares").factory());
    private final Object refreshing = new Object();

    /// When the newest look at the cluster's state began. Guarded by [#refreshing].
    private long begunNanos;

    private final Map<Long, Refusal> refusals = new ConcurrentHashMap<>();
    private volatile List<ShareEntry> entries = List.of();

    /// Why a share could not be had, not long ago: clients ask again and again.
    private record Refusal(long nanos, CisternException why) {}

    public ClusterShares(ClusterNode node) {
        this.node = node;
        this.begunNanos = System.nanoTime() - SOONEST_NANOS;
        refresher.scheduleWithFixedDelay(this::refresh, 0, REFRESH_MS, TimeUnit.MILLISECONDS);
    }

    @Override
    public List<ShareEntry> shares() {
        return entries;
    }

    @Override
    public void refresh() {
        long asked = System.nanoTime();
        synchronized (refreshing) {
            long since = begunNanos;
            if (since - asked >= 0) {
                return; // By somebody else, after the call.
            }
            try {
                TimeUnit.NANOSECONDS.sleep(since + SOONEST_NANOS - System.nanoTime());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
            begunNanos = System.nanoTime();
            try {
                List<ShareEntry> found = new ArrayList<>();
                for (ShareInfo share : node.admin().shares().list()) {
                    if (share.state() == VolumeInfo.State.READY) {
                        found.add(entry(share));
                    } else {
                        // Its rules cannot be asked for now: those known before stay.
                        entries.stream().filter(e -> e.id() == share.id()).forEach(found::add);
                    }
                }
                entries = List.copyOf(found);
            } catch (RuntimeException e) {
                LOG.debug("shares cannot be listed now: {}", CisternException.of(e).getMessage());
            }
        }
    }

    private static ShareEntry entry(ShareInfo share) {
        List<ClientRule> rules = new ArrayList<>();
        for (String text : share.rules()) {
            ShareRule rule = ShareRule.parse(text);
            rules.add(
                    new ClientRule(
                            Cidr.parse(rule.cidr()),
                            rule.readOnly(),
                            rule.rootSquash(),
                            rule.allSquash(),
                            rule.tls(),
                            rule.privilegedPort()));
        }
        return new ShareEntry(share.id(), share.name(), rules);
    }

    @Override
    public FileSystem open(ShareEntry share) {
        Refusal before = refusals.get(share.id());
        if (before != null && System.nanoTime() - before.nanos < SOONEST_NANOS) {
            throw before.why;
        }
        try {
            FileSystem opened = tryOpen(share);
            refusals.remove(share.id());
            return opened;
        } catch (CisternException e) {
            if (refusals.put(share.id(), new Refusal(System.nanoTime(), e)) == null) {
                LOG.info("clients of share {} have to wait: {}", share.name(), e.getMessage());
            }
            throw e;
        }
    }

    private FileSystem tryOpen(ShareEntry share) {
        String owner = node.admin().shares().show(share.name()).owner();
        if (owner != null && !owner.equals(holder()) && serves(owner)) {
            throw new CisternException(
                    ErrorCode.BUSY,
                    "share '"
                            + share.name()
                            + "' is served by "
                            + owner
                            + "; mount it from there, or stop using it there for a minute");
        }
        return node.client().openShare(share.name(), holder());
    }

    private String holder() {
        return node.name();
    }

    private boolean serves(String owner) {
        for (NodeInfo info : node.admin().status().nodes()) {
            if (info.name().equals(owner)) {
                return info.state() != NodeState.DOWN;
            }
        }
        return false;
    }

    @Override
    public void close() {
        refresher.shutdownNow();
    }
}
