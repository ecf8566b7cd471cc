package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.storage.group.VolumeGroup.VolumeUsage;
import io.cistern.volume.ExportView;
import io.cistern.volume.IscsiExport;
import io.cistern.volume.node.NodeReport.DiskReport;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Chap;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Volume;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Follows the exports in the system state, and, while there are any, which nodes answer and what
/// space they have.
final class ExportMonitor implements ExportView, AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ExportMonitor.class);
    private static final long PERIOD_MILLIS = 2_000;

    /// Reports missed in a row before a node counts as down.
    private static final int MISSES = 2;

    /// How old an answer about a volume's space may be before it is asked again: it costs a walk
    /// over the group's map.
    private static final long USAGE_NANOS = TimeUnit.SECONDS.toNanos(60);

    /// What a group keeps back.
    private static final int RESERVE_PERCENT = 5;

    private final Cluster cluster;
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private final Map<String, Integer> misses = new ConcurrentHashMap<>();
    private final Map<Long, Usage> usage = new ConcurrentHashMap<>();
    private volatile Map<String, NodeReport> reports = Map.of();
    private volatile Shown shown = new Shown(List.of(), List.of());
    private volatile boolean closed;
    private final Thread thread;

    private record Shown(List<Exported> exports, List<PortalNode> nodes) {}

    /// @param usedBytes by volume
    private record Usage(Map<Long, Long> usedBytes, long askedNanos) {}

    ExportMonitor(Cluster cluster) {
        this.cluster = cluster;
        this.thread = Thread.ofVirtual().name("exports").unstarted(this::watch);
    }

    void start() {
        changed();
        thread.start();
    }

    // ---- what is shown

    @Override
    public List<Exported> exports() {
        return shown.exports;
    }

    @Override
    public List<PortalNode> nodes() {
        return shown.nodes;
    }

    @Override
    public AutoCloseable onChange(Runnable listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }

    /// The system state may have changed.
    void changed() {
        synchronized (this) {
            SystemState state = cluster.catalog().state();
            Shown now = new Shown(exports(state), nodes(state));
            if (now.equals(shown)) {
                return;
            }
            shown = now;
        }
        listeners.forEach(Runnable::run);
    }

    private static List<Exported> exports(SystemState state) {
        List<Exported> all = new ArrayList<>();
        state.targets()
                .exports()
                .forEach((id, export) -> {
                    Volume volume = state.volumes().get(id);
                    if (volume != null) {
                        all.add(
                                new Exported(
                                        id,
                                        volume.name(),
                                        volume.group(),
                                        export.initiators(),
                                        chap(export.chap()),
                                        chap(export.mutual()),
                                        export.blockBytes()));
                    }
                });
        all.sort(Comparator.comparing(Exported::volume));
        return List.copyOf(all);
    }

    private static IscsiExport.@Nullable Chap chap(@Nullable Chap stored) {
        return stored == null ? null : new IscsiExport.Chap(stored.user(), stored.secret());
    }

    private List<PortalNode> nodes(SystemState state) {
        List<PortalNode> all = new ArrayList<>();
        state.targets()
                .numbers()
                .forEach((name, number) -> {
                    Node node = state.nodes().get(name);
                    if (node != null) {
                        all.add(
                                new PortalNode(
                                        number,
                                        name,
                                        addresses(node.iscsi()),
                                        misses.getOrDefault(name, 0) < MISSES));
                    }
                });
        all.sort(Comparator.comparingInt(PortalNode::number));
        return List.copyOf(all);
    }

    /// The addresses in a node's record.
    static List<String> addresses(@Nullable String iscsi) {
        return iscsi == null || iscsi.isBlank()
                ? List.of()
                : List.of(iscsi.strip().split("\\s*,\\s*"));
    }

    static @Nullable String first(@Nullable String iscsi) {
        List<String> all = addresses(iscsi);
        return all.isEmpty() ? null : all.getFirst();
    }

    // ---- nodes and space

    private void watch() {
        while (!closed) {
            try {
                if (!shown.exports.isEmpty()) {
                    look();
                }
                Thread.sleep(PERIOD_MILLIS);
            } catch (InterruptedException closing) {
                return;
            } catch (RuntimeException e) {
                log.debug("looking at the nodes failed: {}", e.toString());
                SystemClient.pause();
            }
        }
    }

    private void look() {
        Map<String, NodeReport> found = cluster.reports();
        Set<String> all = new HashSet<>(cluster.catalog().state().nodes().keySet());
        misses.keySet().retainAll(all);
        for (String node : all) {
            if (found.containsKey(node)) {
                misses.remove(node);
            } else {
                misses.merge(node, 1, Integer::sum);
            }
        }
        reports = found;
        changed();
    }

    @Override
    public long availableBytes(long group) {
        SystemState state = cluster.catalog().state();
        Group known = state.groups().get(group);
        Map<String, NodeReport> now = reports;
        long least = Long.MAX_VALUE;
        if (known != null) {
            for (Replica replica : known.dataVoters()) {
                NodeReport report = now.get(replica.node());
                if (report != null) {
                    least = Math.min(least, available(report, replica.disk()));
                }
            }
        }
        return least == Long.MAX_VALUE ? 0 : least;
    }

    private static long available(NodeReport report, int number) {
        for (DiskReport disk : report.disks()) {
            if (disk.number() == number) {
                return Math.max(0, disk.freeBytes() - disk.totalBytes() / 100 * RESERVE_PERCENT);
            }
        }
        return 0;
    }

    @Override
    public long usedBytes(long volume) {
        Volume known = cluster.catalog().state().volumes().get(volume);
        if (known == null) {
            return -1;
        }
        Usage last = usage.get(known.group());
        if (last == null || System.nanoTime() - last.askedNanos >= USAGE_NANOS) {
            ask(known.group(), last);
        }
        return last == null ? -1 : last.usedBytes.getOrDefault(volume, -1L);
    }

    private void ask(long group, @Nullable Usage last) {
        Usage asking = new Usage(last == null ? Map.of() : last.usedBytes, System.nanoTime());
        boolean mine =
                last == null
                        ? usage.putIfAbsent(group, asking) == null
                        : usage.replace(group, last, asking);
        if (!mine) {
            return;
        }
        cluster.client()
                .control(group, g -> g.usage(), null)
                .whenComplete((volumes, failed) -> {
                    if (failed != null) {
                        log.debug(
                                "space of g{}: {}",
                                group,
                                CisternException.of(failed).getMessage());
                        return;
                    }
                    Map<Long, Long> used = new HashMap<>();
                    for (VolumeUsage u : volumes) {
                        used.put(u.volume(), u.usedBytes());
                    }
                    usage.put(group, new Usage(used, System.nanoTime()));
                });
    }

    @Override
    public void close() {
        closed = true;
        thread.interrupt();
    }
}
