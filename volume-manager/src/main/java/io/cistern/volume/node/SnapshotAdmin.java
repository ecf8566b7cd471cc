package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.VolumeGroup;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeInfo.Diff;
import io.cistern.volume.VolumeInfo.DiffRange;
import io.cistern.volume.VolumeInfo.SnapshotInfo;
import io.cistern.volume.client.Waits;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Volume;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// Snapshots, see [ClusterAdmin].
final class SnapshotAdmin {
    private static final DateTimeFormatter SAFETY =
            DateTimeFormatter.ofPattern("'before-rollback-'yyyyMMdd-HHmmss-SSS")
                    .withZone(ZoneOffset.UTC);

    private final Cluster cluster;
    private final VolumeAdmin volumes;

    SnapshotAdmin(Cluster cluster, VolumeAdmin volumes) {
        this.cluster = cluster;
        this.volumes = volumes;
    }

    List<SnapshotInfo> create(List<SnapshotName> names) {
        if (names.isEmpty() || names.size() > ClusterAdmin.MAX_SNAPSHOT_TARGETS) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "name 1 to " + ClusterAdmin.MAX_SNAPSHOT_TARGETS + " snapshots");
        }
        SystemState system = cluster.fresh();
        List<Volume> targets = new ArrayList<>();
        List<Command.CreateSnapshots.Target> wanted = new ArrayList<>();
        for (SnapshotName name : names) {
            Volume volume = Cluster.ready(system, name.volume());
            if (targets.stream().anyMatch(v -> v.id() == volume.id())) {
                throw new CisternException(
                        ErrorCode.INVALID, "volume '" + name.volume() + "' is named twice");
            }
            if (!targets.isEmpty() && targets.getFirst().group() != volume.group()) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        "volumes '"
                                + targets.getFirst().name()
                                + "' and '"
                                + volume.name()
                                + "' live in different groups, which have no common instant;"
                                + " snapshot them one by one");
            }
            targets.add(volume);
            wanted.add(new Command.CreateSnapshots.Target(volume.id(), name.snapshot()));
        }
        long now = System.currentTimeMillis();
        try {
            make(targets, wanted, now);
        } catch (CisternException e) {
            throw e.code() == ErrorCode.ALREADY_EXISTS ? taken(targets, names, e) : e;
        }
        List<CompletableFuture<VolumeState>> described =
                targets.stream().map(volumes::describing).toList();
        List<SnapshotInfo> infos = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            VolumeState state = Waits.get(described.get(i), Cluster.CONTROL);
            Volume target = targets.get(i);
            infos.add(
                    info(target, VolumeAdmin.snapshot(target, state, names.get(i).snapshot()), 0));
        }
        return infos;
    }

    /// The group knows volumes by number only.
    private CisternException taken(
            List<Volume> targets, List<SnapshotName> names, CisternException refusal) {
        for (int i = 0; i < names.size(); i++) {
            SnapshotName name = names.get(i);
            if (volumes.describe(targets.get(i)).snapshots().stream()
                    .anyMatch(s -> s.name().equals(name.snapshot()))) {
                return new CisternException(
                        ErrorCode.ALREADY_EXISTS,
                        "there is a snapshot '" + name + "' already; choose another name",
                        refusal);
            }
        }
        return refusal;
    }

    private VolumeState.Snapshot found(Volume volume, String name) {
        return VolumeAdmin.snapshot(volume, volumes.describe(volume), name);
    }

    /// Freezes volumes of one group, whatever they are for, in one instant.
    void freeze(List<Volume> targets, List<String> names) {
        List<Command.CreateSnapshots.Target> wanted = new ArrayList<>();
        for (int i = 0; i < targets.size(); i++) {
            if (targets.get(i).group() != targets.getFirst().group()) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        "'"
                                + targets.getFirst().name()
                                + "' and '"
                                + targets.get(i).name()
                                + "' live in different groups, which have no common instant");
            }
            wanted.add(new Command.CreateSnapshots.Target(targets.get(i).id(), names.get(i)));
        }
        long now = System.currentTimeMillis();
        make(targets, wanted, now);
    }

    private void make(
            List<Volume> targets, List<Command.CreateSnapshots.Target> wanted, long nowMillis) {
        String first = wanted.getFirst().snapshot();
        volumes.changes()
                .make(
                        targets,
                        now -> new Command.CreateSnapshots(wanted, nowMillis),
                        now -> made(now.getFirst(), first, nowMillis));
    }

    private static boolean made(VolumeState volume, String snapshot, long millis) {
        return volume.snapshots().stream()
                .anyMatch(s -> s.name().equals(snapshot) && s.createdMillis() == millis);
    }

    /// @throws CisternException NOT_FOUND: it is not that one any more
    private static void checkStill(Volume volume, VolumeState now, VolumeState.Snapshot seen) {
        if (!VolumeAdmin.snapshot(volume, now, seen.name()).equals(seen)) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND,
                    "snapshot '"
                            + volume.name()
                            + "@"
                            + seen.name()
                            + "' was deleted meanwhile, and another one made");
        }
    }

    private static SnapshotInfo info(Volume volume, VolumeState.Snapshot s, long unique) {
        return new SnapshotInfo(volume.name(), s.name(), s.sizeBytes(), unique, s.createdMillis());
    }

    List<SnapshotInfo> list(String name) {
        Volume volume = cluster.volume(name);
        Map<String, Long> unique = new HashMap<>();
        for (VolumeGroup.VolumeUsage usage :
                Waits.get(volumes.ask(volume, VolumeGroup::usage), Cluster.CONTROL)) {
            if (usage.volume() == volume.id()) {
                usage.snapshots().forEach(s -> unique.put(s.snapshot(), s.uniqueBytes()));
            }
        }
        return volumes.describe(volume).snapshots().stream()
                .map(s -> info(volume, s, unique.getOrDefault(s.name(), 0L)))
                .toList();
    }

    Diff diff(String name, String from, @Nullable String to, long offset) {
        Volume volume = cluster.volume(name);
        VolumeState state = volumes.describe(volume);
        VolumeAdmin.snapshot(volume, state, from);
        if (to != null) {
            VolumeAdmin.snapshot(volume, state, to);
        }
        if (offset < 0) {
            throw new CisternException(ErrorCode.INVALID, "an offset cannot be negative");
        }
        int max = ClusterAdmin.MAX_DIFF_RANGES;
        List<DiffRange> ranges =
                Waits.get(
                                volumes.ask(
                                        volume, g -> g.diff(volume.id(), from, to, offset, max)),
                                Cluster.CONTROL)
                        .stream()
                        .map(r -> new DiffRange(r.offset(), r.length()))
                        .toList();
        long changed = ranges.stream().mapToLong(DiffRange::length).sum();
        long next =
                ranges.size() < max ? -1 : ranges.getLast().offset() + ranges.getLast().length();
        return new Diff(ranges, changed, next);
    }

    String rollback(SnapshotName name) {
        Volume volume = cluster.volume(name.volume());
        VolumeState first = volumes.describe(volume);
        VolumeState.Snapshot wanted = VolumeAdmin.snapshot(volume, first, name.snapshot());
        long millis = System.currentTimeMillis();
        String safety = SAFETY.format(Instant.ofEpochMilli(millis));
        volumes.changes()
                .make(
                        volume,
                        now -> {
                            checkStill(volume, now, wanted);
                            if (now.branch() != first.branch()) {
                                throw new CisternException(
                                        ErrorCode.CHANGED,
                                        "volume '"
                                                + volume.name()
                                                + "' was rolled back meanwhile: look at it and try again");
                            }
                            return new Command.Rollback(
                                    volume.id(), name.snapshot(), safety, millis);
                        },
                        now -> made(now, safety, millis));
        return safety;
    }

    void delete(SnapshotName name) {
        delete(cluster.volume(name.volume()), name.snapshot());
    }

    void delete(Volume volume, String name) {
        VolumeState.Snapshot wanted = found(volume, name);
        volumes.changes()
                .make(
                        volume,
                        now -> {
                            checkStill(volume, now, wanted);
                            return new Command.DeleteSnapshot(volume.id(), name);
                        },
                        now -> now.snapshots().stream().noneMatch(wanted::equals));
    }
}
