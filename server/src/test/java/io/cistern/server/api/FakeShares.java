package io.cistern.server.api;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.volume.ShareAdmin;
import io.cistern.volume.ShareInfo;
import io.cistern.volume.ShareRule;
import io.cistern.volume.ShareUse;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// Shares of a [FakeAdmin].
final class FakeShares implements ShareAdmin {
    private static final long NOW = 1000;

    private final TreeMap<String, ShareInfo> shares = new TreeMap<>();
    private long nextId = 100;

    private ShareInfo put(
            String name,
            long quota,
            List<String> rules,
            @Nullable String parent,
            List<String> snapshots) {
        ShareInfo before = shares.get(name);
        ShareInfo share =
                new ShareInfo(
                        name,
                        before == null ? nextId++ : before.id(),
                        VolumeInfo.State.READY,
                        quota,
                        0,
                        1,
                        "g1",
                        "n0",
                        null,
                        rules,
                        parent,
                        snapshots,
                        NOW);
        shares.put(name, share);
        return share;
    }

    @Override
    public synchronized ShareInfo create(String name, long quotaBytes, List<ShareRule> rules) {
        if (shares.containsKey(name)) {
            throw new CisternException(
                    ErrorCode.ALREADY_EXISTS, "a share '" + name + "' exists already");
        }
        return put(
                name,
                quotaBytes,
                rules.stream().map(ShareRule::toString).toList(),
                null,
                List.of());
    }

    @Override
    public synchronized List<ShareInfo> list() {
        return List.copyOf(shares.values());
    }

    @Override
    public synchronized ShareInfo show(String name) {
        ShareInfo found = shares.get(name);
        if (found == null) {
            throw new CisternException(ErrorCode.NOT_FOUND, "there is no share '" + name + "'");
        }
        return found;
    }

    @Override
    public synchronized ShareUse use(String name) {
        long id = show(name).id();
        return new ShareUse(
                List.of(
                        new ShareUse.Client(
                                "n0",
                                id,
                                "Linux guest",
                                "10.0.0.7",
                                false,
                                1_200,
                                1,
                                2,
                                1,
                                1,
                                12.5,
                                4_096,
                                0)),
                List.of(new ShareUse.Lock("n0", id, 42, "Linux guest", 0, -1, true)));
    }

    @Override
    public synchronized ShareInfo configure(
            String name, @Nullable Long quotaBytes, @Nullable List<ShareRule> rules) {
        ShareInfo s = show(name);
        return put(
                name,
                quotaBytes == null ? s.quotaBytes() : quotaBytes,
                rules == null ? s.rules() : rules.stream().map(ShareRule::toString).toList(),
                s.parent(),
                s.snapshots());
    }

    @Override
    public synchronized ShareInfo snapshot(SnapshotName snapshot) {
        ShareInfo s = show(snapshot.volume());
        List<String> names = new ArrayList<>(s.snapshots());
        names.add(snapshot.snapshot());
        return put(s.name(), s.quotaBytes(), s.rules(), s.parent(), names);
    }

    @Override
    public synchronized ShareInfo deleteSnapshot(SnapshotName snapshot) {
        ShareInfo s = show(snapshot.volume());
        List<String> names = new ArrayList<>(s.snapshots());
        names.remove(snapshot.snapshot());
        return put(s.name(), s.quotaBytes(), s.rules(), s.parent(), names);
    }

    @Override
    public synchronized ShareInfo cloneShare(SnapshotName snapshot, String newName) {
        ShareInfo s = show(snapshot.volume());
        return put(newName, s.quotaBytes(), s.rules(), snapshot.toString(), List.of());
    }

    @Override
    public synchronized void delete(String name) {
        shares.remove(show(name).name());
    }

    @Override
    public synchronized void snapshotTogether(
            List<SnapshotName> volumes, List<SnapshotName> names) {
        names.forEach(this::snapshot);
    }
}
