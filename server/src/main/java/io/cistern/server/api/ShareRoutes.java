package io.cistern.server.api;

import io.cistern.server.api.Requests.CreateShare;
import io.cistern.server.api.Requests.SetName;
import io.cistern.server.api.Requests.SetShare;
import io.cistern.server.api.Requests.SnapshotTogether;
import io.cistern.server.api.Route.Answer;
import io.cistern.volume.ShareAdmin;
import io.cistern.volume.ShareInfo;
import io.cistern.volume.ShareRule;
import io.cistern.volume.ShareUse;
import io.cistern.volume.SnapshotName;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The operations of the API on shares.
final class ShareRoutes extends RouteTable {
    private final Supplier<ShareAdmin> shares;

    ShareRoutes(Supplier<ShareAdmin> shares) {
        this.shares = shares;

        get(
                "/v1/shares",
                "listShares",
                "All shares, in order of names",
                Answer.listOf(ShareInfo.class),
                r -> shares.get().list());
        post(
                "/v1/shares",
                "createShare",
                "Creates a share",
                CreateShare.class,
                Answer.created(ShareInfo.class),
                this::create);
        get(
                "/v1/shares/{share}",
                "getShare",
                "One share",
                Answer.of(ShareInfo.class),
                r -> shares.get().show(r.part("share")));
        get(
                "/v1/shares/{share}/use",
                "getShareUse",
                "Who uses a share over NFS: clients with their rates, locked ranges",
                Answer.of(ShareUse.class),
                r -> shares.get().use(r.part("share")));
        put(
                "/v1/shares/{share}",
                "setShare",
                "Sets a share's quota and client rules",
                SetShare.class,
                Answer.of(ShareInfo.class),
                this::set);
        delete(
                "/v1/shares/{share}",
                "deleteShare",
                "Deletes a share and its snapshots",
                Answer.NONE,
                r -> {
                    shares.get().delete(r.part("share"));
                    return null;
                });
        post(
                "/v1/shares/{share}/snapshots",
                "snapshotShare",
                "Freezes a share under a name",
                SetName.class,
                Answer.created(ShareInfo.class),
                r ->
                        shares.get()
                                .snapshot(
                                        new SnapshotName(
                                                r.part("share"), r.body(SetName.class).name())));
        delete(
                "/v1/shares/{share}/snapshots/{snapshot}",
                "deleteShareSnapshot",
                "Deletes a snapshot of a share",
                Answer.NONE,
                r -> {
                    shares.get().deleteSnapshot(snapshot(r));
                    return null;
                });
        post(
                "/v1/shares/{share}/snapshots/{snapshot}/clones",
                "cloneShare",
                "Makes a share of a snapshot",
                SetName.class,
                Answer.created(ShareInfo.class),
                r -> shares.get().cloneShare(snapshot(r), r.body(SetName.class).name()));
        post(
                "/v1/snapshots-together",
                "snapshotTogether",
                "Freezes volumes and shares in one instant",
                SnapshotTogether.class,
                Answer.NONE,
                this::together);
    }

    private static SnapshotName snapshot(Request r) {
        return new SnapshotName(r.part("share"), r.part("snapshot"));
    }

    private Object create(Request r) {
        CreateShare c = r.body(CreateShare.class);
        Long quota = c.quotaBytes();
        List<ShareRule> rules = rules(c.allow());
        return shares.get()
                .create(c.name(), quota == null ? 0 : quota, rules == null ? List.of() : rules);
    }

    private Object set(Request r) {
        SetShare s = r.body(SetShare.class);
        return shares.get().configure(r.part("share"), s.quotaBytes(), rules(s.allow()));
    }

    private @Nullable Object together(Request r) {
        SnapshotTogether s = r.body(SnapshotTogether.class);
        shares.get().snapshotTogether(names(s.volumes()), names(s.shares()));
        return null;
    }

    private static List<SnapshotName> names(@Nullable List<String> texts) {
        return texts == null ? List.of() : texts.stream().map(SnapshotName::parse).toList();
    }

    private static @Nullable List<ShareRule> rules(@Nullable List<String> texts) {
        return texts == null ? null : texts.stream().map(ShareRule::parse).toList();
    }
}
