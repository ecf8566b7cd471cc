package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Names;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.engine.FileOp;
import io.cistern.block.fs.engine.FileQuery;
import io.cistern.block.fs.engine.FileRequest;
import io.cistern.block.fs.engine.Reply;
import io.cistern.storage.Command;
import io.cistern.storage.Origin;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.ShareAdmin;
import io.cistern.volume.ShareInfo;
import io.cistern.volume.ShareRule;
import io.cistern.volume.ShareUse;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.client.ShareNames;
import io.cistern.volume.client.Waits;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Phase;
import io.cistern.volume.system.SystemState.Volume;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Shares, see [ShareAdmin]. A share is a volume whose name says so: it is placed, snapshotted,
/// cloned and deleted as volumes are. What it allows to whom is kept in the share itself.
final class Shares implements ShareAdmin {
    /// A share's own size as a volume: none of its data is found by it.
    private static final long SIZE_BYTES = 4096;

    private final Cluster cluster;
    private final Creations creations;
    private final VolumeAdmin volumes;
    private final SnapshotAdmin snapshots;

    Shares(Cluster cluster, Creations creations, VolumeAdmin volumes, SnapshotAdmin snapshots) {
        this.cluster = cluster;
        this.creations = creations;
        this.volumes = volumes;
        this.snapshots = snapshots;
    }

    @Override
    public ShareInfo create(String name, long quotaBytes, List<ShareRule> rules) {
        Names.check("share name", name);
        check(quotaBytes, rules);
        Volume volume = cluster.fresh().volumeNamed(ShareNames.PREFIX + name);
        if (volume != null && (volume.phase() != Phase.READY || formatted(volume))) {
            throw new CisternException(
                    ErrorCode.ALREADY_EXISTS,
                    "a share '" + name + "' exists already; choose another name");
        }
        if (volume == null) {
            creations.createShare(ShareNames.PREFIX + name, SIZE_BYTES);
        }
        volume = volume(name);
        change(volume, new FileOp.Format(quotaBytes));
        List<ShareRule> first = rules.isEmpty() ? ShareRule.LOCAL : rules;
        change(volume, new FileOp.Configure(quotaBytes, text(first)));
        return show(name);
    }

    /// False where a creation was interrupted before its last step.
    private boolean formatted(Volume volume) {
        return ask(volume).error() == null;
    }

    private static void check(@Nullable Long quotaBytes, @Nullable List<ShareRule> rules) {
        if (quotaBytes != null && quotaBytes < 0) {
            throw new CisternException(ErrorCode.INVALID, "a quota cannot be negative");
        }
        if (rules != null && rules.size() > ShareRule.MAX_RULES) {
            throw new CisternException(
                    ErrorCode.INVALID, "a share has at most " + ShareRule.MAX_RULES + " rules");
        }
    }

    private static ByteString text(List<ShareRule> rules) {
        return ByteString.utf8(
                rules.stream().map(ShareRule::toString).collect(Collectors.joining("\n")));
    }

    private Volume volume(String name) {
        return ready(cluster.fresh(), name);
    }

    private static Volume ready(SystemState state, String name) {
        Volume volume = state.volumeNamed(ShareNames.PREFIX + name);
        if (volume == null || volume.phase() != Phase.READY) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND,
                    "there is no share '" + name + "'; see 'cistern share list'");
        }
        return volume;
    }

    /// What an administrator changes in a share; may be repeated.
    private void change(Volume volume, FileOp op) {
        ByteBuffer request = new FileRequest(op, Call.of(Credentials.ROOT)).encode();
        FileRequest.stamp(request, System.currentTimeMillis() * 1_000_000);
        Command change =
                new Command.FileChange(volume.id(), new Origin(0, 0, 0), 0, request, List.of());
        volumes.changes().make(volume, now -> change, now -> false);
    }

    @Override
    public List<ShareInfo> list() {
        SystemState state = cluster.fresh();
        List<Volume> all = new ArrayList<>();
        for (Volume volume : state.volumes().values()) {
            if (ShareNames.isShare(volume.name())) {
                all.add(volume);
            }
        }
        all.sort(Comparator.comparing(Volume::name));
        return all.stream().map(this::info).toList();
    }

    @Override
    public ShareInfo show(String name) {
        return info(volume(name));
    }

    private ShareInfo info(Volume volume) {
        VolumeState state = null;
        Reply space = null;
        if (volume.phase() == Phase.READY) {
            try {
                state = volumes.describe(volume);
                space = space(volume);
            } catch (CisternException e) {
                org.slf4j.LoggerFactory.getLogger(Shares.class)
                        .debug("no answer about {}: {}", volume.name(), e.getMessage());
            }
        }
        VolumeInfo.State shown =
                switch (volume.phase()) {
                    case CREATING -> VolumeInfo.State.CREATING;
                    case DELETING -> VolumeInfo.State.DELETING;
                    case READY ->
                            space == null ? VolumeInfo.State.UNAVAILABLE : VolumeInfo.State.READY;
                };
        SystemState.Source source = volume.source();
        return new ShareInfo(
                ShareNames.of(volume.name()),
                volume.id(),
                shown,
                space == null ? 0 : space.values().get(0),
                space == null ? -1 : space.values().get(1),
                space == null ? -1 : space.values().get(2),
                "g" + volume.group(),
                cluster.client().leader(volume.group()),
                state == null || state.attachments().isEmpty()
                        ? null
                        : state.attachments().getFirst().holder(),
                space == null ? List.of() : rules(space),
                source == null
                        ? null
                        : ShareNames.of(source.volumeName()) + "@" + source.snapshot(),
                state == null
                        ? List.of()
                        : state.snapshots().stream().map(VolumeState.Snapshot::name).toList(),
                volume.createdMillis());
    }

    private Reply space(Volume volume) {
        Reply reply = ask(volume);
        if (reply.error() != null) {
            throw new CisternException(ErrorCode.UNAVAILABLE, reply.message());
        }
        return reply;
    }

    private Reply ask(Volume volume) {
        ByteBuffer query = new FileQuery.Space(Credentials.ROOT).encode();
        ReadRequest request = new ReadRequest(volume.id(), null, 0, ReadRequest.LEADER_LEASE);
        return Reply.decode(
                Waits.get(
                                volumes.ask(volume, g -> g.query(request, query.duplicate())),
                                Cluster.CONTROL)
                        .reply());
    }

    private static List<String> rules(Reply space) {
        String text = StandardCharsets.UTF_8.decode(space.data().duplicate()).toString();
        return text.isEmpty() ? List.of() : List.of(text.split("\n"));
    }

    @Override
    public ShareUse use(String name) {
        return cluster.shareUse().of(volume(name).id());
    }

    @Override
    public ShareInfo configure(
            String name, @Nullable Long quotaBytes, @Nullable List<ShareRule> rules) {
        check(quotaBytes, rules);
        change(volume(name), new FileOp.Configure(quotaBytes, rules == null ? null : text(rules)));
        return show(name);
    }

    @Override
    public ShareInfo snapshot(SnapshotName snapshot) {
        snapshotTogether(List.of(), List.of(snapshot));
        return show(snapshot.volume());
    }

    @Override
    public void snapshotTogether(List<SnapshotName> volumeNames, List<SnapshotName> shares) {
        int count = volumeNames.size() + shares.size();
        if (count < 1 || count > ClusterAdmin.MAX_SNAPSHOT_TARGETS) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "name 1 to " + ClusterAdmin.MAX_SNAPSHOT_TARGETS + " snapshots");
        }
        SystemState state = cluster.fresh();
        List<Volume> targets = new ArrayList<>();
        List<String> names = new ArrayList<>();
        for (SnapshotName name : volumeNames) {
            targets.add(Cluster.ready(state, name.volume()));
            names.add(name.snapshot());
        }
        for (SnapshotName name : shares) {
            targets.add(ready(state, name.volume()));
            names.add(name.snapshot());
        }
        snapshots.freeze(targets, names);
    }

    @Override
    public ShareInfo deleteSnapshot(SnapshotName snapshot) {
        snapshots.delete(volume(snapshot.volume()), snapshot.snapshot());
        return show(snapshot.volume());
    }

    @Override
    public ShareInfo cloneShare(SnapshotName snapshot, String newName) {
        Names.check("share name", newName);
        Volume parent = volume(snapshot.volume());
        Reply space = space(parent);
        creations.cloneShare(parent, snapshot.snapshot(), ShareNames.PREFIX + newName);
        change(
                volume(newName),
                new FileOp.Configure(space.values().get(0), ByteString.copyOf(space.data())));
        return show(newName);
    }

    @Override
    public void delete(String name) {
        Volume volume = volume(name);
        for (VolumeState.Attachment a : volumes.describe(volume).attachments()) {
            volumes.execute(volume, new Command.Detach(volume.id(), a.id()));
        }
        volumes.delete(volume.name());
    }
}
