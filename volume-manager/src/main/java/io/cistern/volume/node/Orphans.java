package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.storage.Command;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.GroupHost;
import io.cistern.storage.group.GroupReplica;
import io.cistern.storage.group.ReplicaActivity;
import io.cistern.storage.group.VolumeGroup.VolumeUsage;
import io.cistern.volume.client.Waits;
import io.cistern.volume.system.SystemState;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Deletes volumes that only their group knows: what is left where a creation that was given up
/// reaches the group after the deletion that took it back.
///
/// The system group lists a volume before its group has it and until its group no longer has it. So
/// a volume that a group has and that the newest system state, asked for afterwards, does not list
/// has been deleted, and ids are never given out again. Beyond that it must have gone unlisted for
/// a while and never have been used: without data, snapshots and attachments. Anything else is left
/// alone and reported.
///
/// Each node looks after the groups that it leads.
final class Orphans {
    static final long PERIOD_NANOS = TimeUnit.SECONDS.toNanos(30);
    static final long PATIENCE_NANOS = TimeUnit.MINUTES.toNanos(2);

    private static final Logger log = LoggerFactory.getLogger(Orphans.class);

    private final GroupHost host;
    private final Cluster cluster;
    private final Map<Long, Long> unlistedSince = new HashMap<>();
    private final Set<Long> reported = new HashSet<>();
    private long nextNanos = System.nanoTime() + PERIOD_NANOS;

    Orphans(GroupHost host, Cluster cluster) {
        this.host = host;
        this.cluster = cluster;
    }

    /// Looks every [#PERIOD_NANOS]. Blocks; one thread.
    void step() {
        if (System.nanoTime() - nextNanos >= 0) {
            nextNanos = System.nanoTime() + PERIOD_NANOS;
            look(PATIENCE_NANOS);
        }
    }

    /// @param patienceNanos how long a volume must have been without a listing
    void look(long patienceNanos) {
        SystemState known = cluster.catalog().state();
        Map<Long, Long> unlisted = new HashMap<>();
        for (ReplicaActivity replica : host.activity()) {
            if (replica.leads()) {
                for (VolumeState volume : replica.volumes()) {
                    if (!known.volumes().containsKey(volume.volume())) {
                        unlisted.put(volume.volume(), replica.group().value());
                    }
                }
            }
        }
        unlistedSince.keySet().retainAll(unlisted.keySet());
        reported.retainAll(unlisted.keySet());
        if (unlisted.isEmpty()) {
            return;
        }
        SystemState fresh = cluster.fresh();
        long now = System.nanoTime();
        unlisted.forEach((volume, group) -> {
            if (fresh.volumes().containsKey(volume) || volume >= fresh.nextVolume()) {
                unlistedSince.remove(volume);
            } else if (now - unlistedSince.computeIfAbsent(volume, v -> now) >= patienceNanos) {
                attempt(group, volume);
            }
        });
    }

    private void attempt(long group, long volume) {
        try {
            delete(group, volume);
        } catch (CisternException e) {
            log.debug("volume {} of g{} stays for now: {}", volume, group, e.getMessage());
        }
    }

    private void delete(long group, long volume) {
        GroupReplica replica = host.group(new io.cistern.raft.GroupId(group));
        if (replica == null) {
            return;
        }
        VolumeState state = Waits.get(replica.describe(volume), Cluster.CONTROL);
        List<VolumeUsage> usage = Waits.get(replica.usage(), Cluster.CONTROL);
        boolean holdsData = usage.stream().anyMatch(u -> u.volume() == volume && u.usedBytes() > 0);
        if (holdsData || !state.snapshots().isEmpty() || !state.attachments().isEmpty()) {
            if (reported.add(volume)) {
                log.warn(
                        "g{} has a volume with id {} that the cluster does not list, and it has been used: it"
                                + " stays",
                        group,
                        volume);
            }
            return;
        }
        Waits.get(replica.execute(new Command.DeleteVolume(volume)), Cluster.CONTROL);
        log.info("deleted volume {} of g{}, which the cluster had given up", volume, group);
    }
}
