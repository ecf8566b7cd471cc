package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.VolumeGroup;
import io.cistern.storage.group.VolumeGroup.VolumeUsage;
import io.cistern.volume.client.Waits;
import io.cistern.volume.image.ImageService;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Phase;
import io.cistern.volume.system.SystemState.Volume;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Deletes volumes that imports which have died left half filled.
///
/// An import has itself listed as running work about every second for as long as it lives, with the
/// name of the volume it fills. One that no node has heard of for [#PATIENCE_NANOS], while every
/// node answered, is dead. Deleted is only what bears an import's name and is attached by nobody
/// but an import, or, where it died before it attached, holds nothing.
final class Leftovers {
    static final long PATIENCE_NANOS = TimeUnit.MINUTES.toNanos(5);

    private static final Logger log = LoggerFactory.getLogger(Leftovers.class);

    private final VolumeAdmin volumes;
    private final Map<Long, Long> unheardSince = new HashMap<>();

    Leftovers(Cluster cluster) {
        this.volumes = new VolumeAdmin(cluster);
    }

    /// Forgets what it has seen: this node does not lead.
    void reset() {
        unheardSince.clear();
    }

    /// @param reports what the nodes say of themselves now
    void step(SystemState state, Map<String, NodeReport> reports, long patienceNanos) {
        Set<Long> present = new HashSet<>();
        long now = System.nanoTime();
        boolean allAnswered = reports.keySet().containsAll(state.nodes().keySet());
        for (Volume volume : state.volumes().values()) {
            if (!ImageService.isImporting(volume.name()) || volume.phase() != Phase.READY) {
                continue;
            }
            present.add(volume.id());
            if (!allAnswered || heard(volume, reports)) {
                unheardSince.remove(volume.id());
            } else if (now - unheardSince.computeIfAbsent(volume.id(), id -> now)
                    >= patienceNanos) {
                attempt(volume);
            }
        }
        unheardSince.keySet().retainAll(present);
    }

    private static boolean heard(Volume volume, Map<String, NodeReport> reports) {
        return reports.values().stream()
                .flatMap(report -> report.work().stream())
                .anyMatch(work -> work.what().contains(volume.name()));
    }

    private void attempt(Volume volume) {
        try {
            delete(volume);
        } catch (CisternException e) {
            log.debug("volume {} stays for now: {}", volume.name(), e.getMessage());
        }
    }

    private void delete(Volume volume) {
        VolumeState state = volumes.describe(volume);
        if (!state.snapshots().isEmpty()) {
            return;
        }
        List<VolumeState.Attachment> attached = state.attachments();
        boolean importing =
                !attached.isEmpty()
                        && attached.stream()
                                .allMatch(a -> a.holder().contains(ImageService.HOLDER));
        if (!importing && (!attached.isEmpty() || usedBytes(volume) > 0)) {
            return;
        }
        attached.forEach(a -> volumes.detach(volume.name(), a.id()));
        volumes.delete(volume.name());
        log.info("deleted volume {}, which an import that has ended left behind", volume.name());
    }

    private long usedBytes(Volume volume) {
        List<VolumeUsage> usage =
                Waits.get(volumes.ask(volume, VolumeGroup::usage), Cluster.CONTROL);
        return usage.stream()
                .filter(u -> u.volume() == volume.id())
                .mapToLong(VolumeUsage::usedBytes)
                .sum();
    }
}
