package io.cistern.iscsi.cluster;

import io.cistern.iscsi.TargetCatalog;
import io.cistern.iscsi.scsi.ScsiTarget;
import io.cistern.volume.ClusterNode;
import io.cistern.volume.ExportView;
import io.cistern.volume.ExportView.Exported;
import io.cistern.volume.ExportView.PortalNode;
import io.cistern.volume.IscsiExport;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The targets of this node's portal, from what the cluster exports. Each volume is opened at every
/// node as soon as it is exported, so that a path that has never been used works when it is needed.
///
/// A renamed volume is another target: sessions on the old name end.
public final class ClusterTargets implements TargetCatalog, AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ClusterTargets.class);

    private static final long OPEN_POLL_MILLIS = 20;

    private final ClusterNode node;
    private final ExportView view;
    private final UnitFactory units;
    private final int portTag;
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();
    private final AutoCloseable subscription;

    /// Opens and closes; one thing after the other.
    private final ExecutorService changes =
            Executors.newSingleThreadExecutor(Thread.ofVirtual().name("iscsi-targets").factory());

    private volatile Map<String, Offered> offered = Map.of();

    /// @param export what it was opened for
    private record Offered(TargetEntry entry, Exported export, OpenTarget target) {}

    /// @param portTag this node's number, see [ExportView.PortalNode]
    public ClusterTargets(ClusterNode node, UnitFactory units, int portTag) {
        this.node = node;
        this.view = node.exports();
        this.units = units;
        this.portTag = portTag;
        this.subscription = view.onChange(this::later);
        later();
    }

    private void later() {
        try {
            changes.execute(this::follow);
        } catch (RejectedExecutionException closing) {
            log.debug("a change of exports came while closing");
        }
    }

    /// Makes the targets what the cluster says they are.
    private void follow() {
        Map<String, Offered> before = offered;
        Map<String, Offered> after = new LinkedHashMap<>();
        List<PortalGroup> groups = groups();
        Set<String> changed = new HashSet<>();
        for (Exported export : view.exports()) {
            String name = IscsiExport.PREFIX + export.volume();
            TargetEntry entry = new TargetEntry(name, groups, access(export));
            Offered known = before.get(name);
            if (known != null && sameUnit(known.export, export)) {
                if (!sameAccess(known.export, export)) {
                    changed.add(name);
                }
                after.put(name, new Offered(entry, export, known.target));
            } else {
                after.put(
                        name,
                        new Offered(
                                entry, export, new OpenTarget(node, units, export, name, portTag)));
            }
        }
        offered = Map.copyOf(after);
        List<OpenTarget> gone = new ArrayList<>();
        before.forEach((name, was) -> {
            Offered now = after.get(name);
            if (now == null || now.target != was.target) {
                changed.add(name);
                gone.add(was.target);
            }
        });
        changed.forEach(name -> listeners.forEach(l -> l.changed(name)));
        gone.forEach(OpenTarget::close);
    }

    private static boolean sameUnit(Exported a, Exported b) {
        return a.volumeId() == b.volumeId() && a.blockBytes() == b.blockBytes();
    }

    private static boolean sameAccess(Exported a, Exported b) {
        return a.initiators().equals(b.initiators())
                && java.util.Objects.equals(a.chap(), b.chap())
                && java.util.Objects.equals(a.mutual(), b.mutual());
    }

    private List<PortalGroup> groups() {
        List<PortalGroup> groups = new ArrayList<>();
        for (PortalNode portal : view.nodes()) {
            if (!portal.addresses().isEmpty()) {
                groups.add(new PortalGroup(portal.number(), portal.addresses()));
            }
        }
        return List.copyOf(groups);
    }

    private static AccessRules access(Exported export) {
        return new AccessRules(
                Set.copyOf(export.initiators()),
                credentials(export.chap()),
                credentials(export.mutual()));
    }

    private static @Nullable Credentials credentials(IscsiExport.@Nullable Chap chap) {
        return chap == null
                ? null
                : new Credentials(chap.user(), chap.secret().getBytes(StandardCharsets.UTF_8));
    }

    /// Waits until every target that is known now is open, or for a while.
    public void awaitOpen(Duration patience) throws InterruptedException {
        long deadline = System.nanoTime() + patience.toNanos();
        while (System.nanoTime() - deadline < 0) {
            boolean known = view.exports().size() == offered.size();
            if (known && offered.values().stream().allMatch(o -> o.target.target() != null)) {
                return;
            }
            Thread.sleep(OPEN_POLL_MILLIS);
        }
    }

    @Override
    public List<TargetEntry> targets() {
        return offered.values().stream()
                .map(Offered::entry)
                .sorted(java.util.Comparator.comparing(TargetEntry::name))
                .toList();
    }

    @Override
    public @Nullable TargetEntry find(String targetName) {
        Offered found = offered.get(targetName);
        return found == null ? null : found.entry;
    }

    @Override
    public @Nullable ScsiTarget open(String targetName) {
        Offered found = offered.get(targetName);
        return found == null ? null : found.target.target();
    }

    @Override
    public AutoCloseable onChange(Listener listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }

    /// Ends all sessions' device servers and detaches the volumes.
    @Override
    public void close() {
        Quietly.close(List.of(subscription));
        changes.shutdown();
        Map<String, Offered> last = new HashMap<>(offered);
        offered = Map.of();
        List<Thread> closing =
                last.values().stream().map(o -> Thread.ofVirtual().start(o.target::close)).toList();
        for (Thread thread : closing) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
