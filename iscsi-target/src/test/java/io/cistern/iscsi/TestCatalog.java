package io.cistern.iscsi;

import io.cistern.iscsi.scsi.ScsiTarget;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/// Targets that a test exports and unexports.
final class TestCatalog implements TargetCatalog {
    static final String PREFIX = "iqn.2026-11.io.cistern:";
    static final AccessRules OPEN = new AccessRules(Set.of(), null, null);

    private record Exported(TargetEntry entry, ScsiTarget target) {}

    private final Map<String, Exported> exported = new ConcurrentSkipListMap<>();
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();
    private volatile List<PortalGroup> groups = List.of();

    /// What discovery answers with, for targets exported from now on.
    void groups(List<PortalGroup> portalGroups) {
        groups = portalGroups;
    }

    void export(String volume, ScsiTarget target, AccessRules access) {
        String name = PREFIX + volume;
        exported.put(name, new Exported(new TargetEntry(name, groups, access), target));
        listeners.forEach(listener -> listener.changed(name));
    }

    void unexport(String volume) {
        String name = PREFIX + volume;
        exported.remove(name);
        listeners.forEach(listener -> listener.changed(name));
    }

    @Override
    public List<TargetEntry> targets() {
        return exported.values().stream().map(Exported::entry).toList();
    }

    @Override
    public @Nullable TargetEntry find(String targetName) {
        Exported found = exported.get(targetName);
        return found == null ? null : found.entry;
    }

    @Override
    public @Nullable ScsiTarget open(String targetName) {
        Exported found = exported.get(targetName);
        return found == null ? null : found.target;
    }

    @Override
    public AutoCloseable onChange(Listener listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }
}
