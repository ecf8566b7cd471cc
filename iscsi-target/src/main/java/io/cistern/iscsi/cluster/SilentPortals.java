package io.cistern.iscsi.cluster;

import io.cistern.block.CisternException;
import io.cistern.volume.ClusterNode;
import io.cistern.volume.ExportView.PortalNode;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeInfo.AttachmentInfo;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Ends the attachments to one exported volume of portals that have been silent for some seconds:
/// an initiator has given their paths up, or will soon, and goes on over others. A node that was
/// only standing still has commands which nobody waits for any more; after this they are refused
/// (FENCED), however late they come, and it attaches again under a new id. The node that leads the
/// volume's group sees to it.
final class SilentPortals implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(SilentPortals.class);

    /// Between two attempts.
    private static final long PERIOD_MILLIS = 1_000;

    private final ClusterNode node;
    private final VolumeDevice device;
    private final Semaphore changes = new Semaphore(1);
    private final AutoCloseable subscription;
    private final Thread thread;

    /// Names of nodes that have answered since the last look.
    private final Set<String> heard = ConcurrentHashMap.newKeySet();

    /// What silent nodes had attached when they fell silent, without what was ended: who attaches
    /// later is back, and will be heard of. Only the thread's.
    private final Map<String, Set<Long>> former = new HashMap<>();

    private volatile boolean closed;

    SilentPortals(ClusterNode node, VolumeDevice device) {
        this.node = node;
        this.device = device;
        this.subscription = node.exports().onChange(this::changed);
        this.thread = Thread.ofVirtual().name("silent-" + device.name()).start(this::run);
    }

    private void changed() {
        for (PortalNode portal : node.exports().nodes()) {
            if (portal.up()) {
                heard.add(portal.name());
            }
        }
        changes.release();
    }

    private void run() {
        boolean waiting = false;
        while (!closed) {
            try {
                if (waiting) {
                    changes.tryAcquire(PERIOD_MILLIS, TimeUnit.MILLISECONDS);
                } else {
                    changes.acquire();
                }
                changes.drainPermits();
            } catch (InterruptedException closing) {
                return;
            }
            try {
                waiting = look();
            } catch (CisternException e) {
                log.debug("attachments to {} stay for now: {}", device.name(), e.getMessage());
                waiting = true;
            } catch (RuntimeException e) {
                log.error("ending attachments to {} is tried again", device.name(), e);
                waiting = true;
            }
        }
    }

    /// @return whether there is something left to do
    private boolean look() {
        for (String name : heard) {
            heard.remove(name);
            former.remove(name);
        }
        Set<String> silent = silent();
        if (!former.keySet().containsAll(silent)) {
            List<AttachmentInfo> all = node.client().attachments(device.name());
            for (String name : silent) {
                former.computeIfAbsent(name, n -> ids(all, OpenTarget.HOLDER + n));
            }
        }
        boolean left = false;
        for (String name : silent) {
            Set<Long> ids = former.getOrDefault(name, Set.of());
            // What another node leads it ends; and this one what is left once it leads.
            while (!ids.isEmpty() && node.name().equals(device.leader())) {
                long id = ids.iterator().next();
                node.admin().detach(device.name(), id);
                ids.remove(id);
                log.warn(
                        "{} does not answer: its portal's attachment {} to {} was ended",
                        name,
                        id,
                        device.name());
            }
            left |= !ids.isEmpty();
        }
        return left;
    }

    private Set<String> silent() {
        Set<String> names = new HashSet<>();
        for (PortalNode portal : node.exports().nodes()) {
            if (!portal.up() && !portal.name().equals(node.name())) {
                names.add(portal.name());
            }
        }
        return names;
    }

    private static Set<Long> ids(List<AttachmentInfo> all, String holder) {
        Set<Long> ids = new HashSet<>();
        for (AttachmentInfo a : all) {
            if (a.holder().equals(holder)) {
                ids.add(a.id());
            }
        }
        return ids;
    }

    @Override
    public void close() {
        closed = true;
        Quietly.close(List.of(subscription));
        thread.interrupt();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
