package io.cistern.server.api;

import io.cistern.server.api.Requests.CreateShare;
import io.cistern.server.api.Requests.SetName;
import io.cistern.server.api.Requests.SetShare;
import io.cistern.server.api.Requests.SnapshotTogether;
import io.cistern.volume.ShareAdmin;
import io.cistern.volume.ShareInfo;
import io.cistern.volume.ShareRule;
import io.cistern.volume.ShareUse;
import io.cistern.volume.SnapshotName;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// [ShareAdmin] over the REST API. Blocks; any thread.
final class RestShares implements ShareAdmin {
    private final RestClient rest;

    RestShares(RestClient rest) {
        this.rest = rest;
    }

    private static String path(String name) {
        return "/v1/shares/" + RestClient.encode(name);
    }

    private static String path(SnapshotName name) {
        return path(name.volume()) + "/snapshots/" + RestClient.encode(name.snapshot());
    }

    private static List<String> texts(List<?> values) {
        return values.stream().map(Object::toString).toList();
    }

    @Override
    public ShareInfo create(String name, long quotaBytes, List<ShareRule> rules) {
        return rest.send(
                "POST",
                "/v1/shares",
                new CreateShare(name, quotaBytes, texts(rules)),
                ShareInfo.class);
    }

    @Override
    public List<ShareInfo> list() {
        return List.of(rest.get("/v1/shares", ShareInfo[].class));
    }

    @Override
    public ShareInfo show(String name) {
        return rest.get(path(name), ShareInfo.class);
    }

    @Override
    public ShareUse use(String name) {
        return rest.get(path(name) + "/use", ShareUse.class);
    }

    @Override
    public ShareInfo configure(
            String name, @Nullable Long quotaBytes, @Nullable List<ShareRule> rules) {
        return rest.send(
                "PUT",
                path(name),
                new SetShare(quotaBytes, rules == null ? null : texts(rules)),
                ShareInfo.class);
    }

    @Override
    public ShareInfo snapshot(SnapshotName snapshot) {
        return rest.send(
                "POST",
                path(snapshot.volume()) + "/snapshots",
                new SetName(snapshot.snapshot()),
                ShareInfo.class);
    }

    @Override
    public ShareInfo deleteSnapshot(SnapshotName snapshot) {
        rest.send("DELETE", path(snapshot), null, Void.class);
        return show(snapshot.volume());
    }

    @Override
    public ShareInfo cloneShare(SnapshotName snapshot, String newName) {
        return rest.send("POST", path(snapshot) + "/clones", new SetName(newName), ShareInfo.class);
    }

    @Override
    public void delete(String name) {
        rest.send("DELETE", path(name), null, Void.class);
    }

    @Override
    public void snapshotTogether(List<SnapshotName> volumes, List<SnapshotName> shares) {
        rest.send(
                "POST",
                "/v1/snapshots-together",
                new SnapshotTogether(texts(volumes), texts(shares)),
                Void.class);
    }
}
