package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Names;
import io.cistern.block.Size;
import io.cistern.storage.Command;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.VolumeGroup;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeInfo.AttachmentInfo;
import io.cistern.volume.client.ShareNames;
import io.cistern.volume.client.Waits;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Phase;
import io.cistern.volume.system.SystemState.Source;
import io.cistern.volume.system.SystemState.Volume;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Volumes and attachments, see [ClusterAdmin].
final class VolumeAdmin {
    private static final Duration DESCRIBE = Duration.ofSeconds(2);

    /// In a message.
    private static final int MAX_NAMED = 5;

    private final Cluster cluster;
    private final Volumes volumes;
    private final GroupChoice groups;
    private final Changes changes;

    VolumeAdmin(Cluster cluster) {
        this.cluster = cluster;
        this.volumes = new Volumes(cluster);
        this.groups = new GroupChoice(cluster);
        this.changes = new Changes(cluster);
    }

    // ---- deleting

    void delete(String name) {
        SystemState state = cluster.fresh();
        Volume volume = Cluster.ready(state, name);
        if (state.targets().exports().containsKey(volume.id())) {
            throw new CisternException(
                    ErrorCode.BUSY,
                    "volume '"
                            + name
                            + "' is exported over iSCSI; run 'cistern iscsi unexport "
                            + name
                            + "' first");
        }
        List<String> clones = clones(state, volume);
        if (!clones.isEmpty()) {
            throw new CisternException(
                    ErrorCode.BUSY,
                    "volume '"
                            + name
                            + "' shares its blocks with "
                            + String.join(", ", clones)
                            + "; delete these clones first");
        }
        List<VolumeState.Attachment> attached = describe(volume).attachments();
        if (!attached.isEmpty()) {
            throw new CisternException(
                    ErrorCode.BUSY,
                    "volume '"
                            + name
                            + "' is attached by "
                            + attached.getFirst().holder()
                            + "; detach it first");
        }
        cluster.system()
                .propose(
                        new SystemCommand.DeleteVolume(Cluster.request(), volume.id()),
                        Cluster.CONTROL);
        volumes.finishDeletion(volume);
    }

    private static List<String> clones(SystemState state, Volume volume) {
        return state.volumes().values().stream()
                .filter(v -> v.source() != null && v.source().volume() == volume.id())
                .map(Volume::name)
                .sorted()
                .limit(MAX_NAMED)
                .toList();
    }

    // ---- changing

    VolumeInfo resize(String name, long sizeBytes) {
        Creations.checkSize(sizeBytes);
        SystemState state = cluster.fresh();
        Volume volume = Cluster.ready(state, name);
        checkGrows(volume, describe(volume), sizeBytes);
        groups.checkFits(
                sizeBytes,
                Objects.requireNonNull(state.groups().get(volume.group())),
                cluster.reports());
        changes.make(
                volume,
                now -> {
                    checkGrows(volume, now, sizeBytes);
                    return new Command.Resize(volume.id(), sizeBytes);
                },
                now -> now.sizeBytes() == sizeBytes);
        return info(volume, -1);
    }

    private static void checkGrows(Volume volume, VolumeState now, long sizeBytes) {
        if (sizeBytes < now.sizeBytes()) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "volume '"
                            + volume.name()
                            + "' has "
                            + Size.format(now.sizeBytes())
                            + " and cannot shrink to "
                            + Size.format(sizeBytes));
        }
    }

    VolumeInfo rename(String name, String newName) {
        Names.check("volume name", newName);
        Volume volume = cluster.volume(name);
        cluster.system()
                .propose(
                        new SystemCommand.RenameVolume(Cluster.request(), volume.id(), newName),
                        Cluster.CONTROL);
        return info(cluster.volume(newName), -1);
    }

    VolumeInfo limits(String name, Limits limits) {
        Creations.checkLimits(limits);
        Volume volume = cluster.volume(name);
        changes.make(
                volume,
                now -> new Command.SetLimits(volume.id(), limits),
                now -> now.limits().equals(limits));
        return info(volume, -1);
    }

    // ---- looking

    List<VolumeInfo> list(SystemState state) {
        List<Volume> all = new ArrayList<>(state.volumes().values());
        all.removeIf(volume -> ShareNames.isShare(volume.name()));
        all.sort(Comparator.comparing(Volume::name));
        List<CompletableFuture<VolumeState>> asked = new ArrayList<>();
        List<CompletableFuture<Map<Long, Long>>> used = new ArrayList<>();
        Map<Long, CompletableFuture<Map<Long, Long>>> byGroup = new HashMap<>();
        for (Volume volume : all) {
            asked.add(
                    volume.phase() == Phase.READY
                            ? soon(describing(volume))
                            : CompletableFuture.completedFuture(null));
            used.add(byGroup.computeIfAbsent(volume.group(), group -> used(volume)));
        }
        List<VolumeInfo> infos = new ArrayList<>();
        for (int i = 0; i < all.size(); i++) {
            Volume volume = all.get(i);
            Map<Long, Long> ofGroup = used.get(i).join();
            // A group that has just made a volume may not have an entry for it yet.
            long bytes = ofGroup == null ? -1 : ofGroup.getOrDefault(volume.id(), 0L);
            infos.add(info(state, volume, asked.get(i).join(), bytes));
        }
        return infos;
    }

    /// Bytes used by each volume of a volume's group, null where that is not known soon.
    private CompletableFuture<Map<Long, Long>> used(Volume volume) {
        return soon(
                ask(volume, VolumeGroup::usage)
                        .thenApply(usages -> {
                            Map<Long, Long> bytes = new HashMap<>();
                            usages.forEach(u -> bytes.put(u.volume(), u.usedBytes()));
                            return bytes;
                        }));
    }

    /// The answer, null where there is none in a moment.
    private static <T> CompletableFuture<T> soon(CompletableFuture<T> answer) {
        return answer.orTimeout(DESCRIBE.toMillis(), java.util.concurrent.TimeUnit.MILLISECONDS)
                .exceptionally(e -> null);
    }

    VolumeInfo show(String name) {
        Volume volume = cluster.volume(name);
        long used =
                Waits.get(ask(volume, VolumeGroup::usage), Cluster.CONTROL).stream()
                        .filter(u -> u.volume() == volume.id())
                        .mapToLong(VolumeGroup.VolumeUsage::usedBytes)
                        .findFirst()
                        .orElse(0);
        return info(volume, used);
    }

    private VolumeInfo info(Volume volume, long used) {
        return info(cluster.catalog().state(), volume, describe(volume), used);
    }

    private VolumeInfo info(
            SystemState system, Volume volume, @Nullable VolumeState state, long used) {
        Group group = system.groups().get(volume.group());
        Source source = volume.source();
        VolumeInfo.State shown =
                switch (volume.phase()) {
                    case CREATING -> VolumeInfo.State.CREATING;
                    case DELETING -> VolumeInfo.State.DELETING;
                    case READY ->
                            state == null ? VolumeInfo.State.UNAVAILABLE : VolumeInfo.State.READY;
                };
        return new VolumeInfo(
                volume.name(),
                volume.id(),
                shown,
                state == null ? volume.sizeBytes() : state.sizeBytes(),
                used,
                group == null ? 0 : group.wanted(),
                "g" + volume.group(),
                cluster.client().leader(volume.group()),
                state == null ? volume.limits() : state.limits(),
                source == null ? null : parent(system, source),
                state == null ? 0 : state.snapshots().size(),
                state == null ? List.of() : attachments(volume, state),
                volume.createdMillis());
    }

    static String parent(SystemState system, Source source) {
        Volume now = system.volumes().get(source.volume());
        return (now == null ? source.volumeName() : now.name()) + "@" + source.snapshot();
    }

    static List<AttachmentInfo> attachments(Volume volume, VolumeState state) {
        return state.attachments().stream()
                .map(a ->
                        new AttachmentInfo(
                                volume.name(), a.id(), a.mode(), a.holder(), a.sinceMillis()))
                .toList();
    }

    List<AttachmentInfo> attachments(@Nullable String name) {
        if (name != null) {
            Volume volume = cluster.volume(name);
            return attachments(volume, describe(volume));
        }
        return list(cluster.fresh()).stream().flatMap(v -> v.attachments().stream()).toList();
    }

    int detach(String name) {
        Volume volume = cluster.volume(name);
        List<VolumeState.Attachment> all = describe(volume).attachments();
        all.forEach(a -> execute(volume, new Command.Detach(volume.id(), a.id())));
        return all.size();
    }

    void detach(String name, long attachment) {
        Volume volume = cluster.volume(name);
        execute(volume, new Command.Detach(volume.id(), attachment));
    }

    void prefer(String name, String node) {
        Thread.ofVirtual()
                .start(() -> {
                    try {
                        hint(cluster.volume(name), node);
                    } catch (CisternException e) {
                        org.slf4j.LoggerFactory.getLogger(VolumeAdmin.class)
                                .debug("leader stays: {}", e.getMessage());
                    }
                });
    }

    private void hint(Volume volume, String node) {
        SystemState state = cluster.catalog().state();
        Group group = Objects.requireNonNull(state.groups().get(volume.group()));
        Node wanted = state.nodes().get(node);
        describe(volume);
        String leader = cluster.client().leader(volume.group());
        if (wanted == null || leader == null || leader.equals(node)) {
            return;
        }
        for (SystemState.Replica voter : group.dataVoters()) {
            if (voter.node().equals(node)) {
                cluster.order(leader, new NodeOrder.Transfer(group.id(), voter.peer()));
            }
        }
    }

    // ---- shared with snapshots

    VolumeState describe(Volume volume) {
        return Waits.get(describing(volume), Cluster.CONTROL);
    }

    CompletableFuture<VolumeState> describing(Volume volume) {
        return changes.describing(volume);
    }

    <T> CompletableFuture<T> ask(Volume volume, Function<VolumeGroup, CompletableFuture<T>> call) {
        return cluster.client().control(volume.group(), call, null);
    }

    void execute(Volume volume, Command command) {
        changes.execute(volume, command, null);
    }

    Changes changes() {
        return changes;
    }

    static VolumeState.Snapshot snapshot(Volume volume, VolumeState state, String name) {
        return state.snapshots().stream()
                .filter(s -> s.name().equals(name))
                .findFirst()
                .orElseThrow(() ->
                        new CisternException(
                                ErrorCode.NOT_FOUND,
                                "there is no snapshot '"
                                        + volume.name()
                                        + "@"
                                        + name
                                        + "'; see 'cistern snapshot list "
                                        + volume.name()
                                        + "'"));
    }
}
