package io.cistern.server.api;

import io.cistern.server.api.Requests.ChapSecret;
import io.cistern.server.api.Requests.Detached;
import io.cistern.server.api.Requests.ExportVolume;
import io.cistern.server.api.Route.Answer;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.IscsiExport;
import io.cistern.volume.VolumeInfo;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The operations of the API on who uses a volume, and on iSCSI exports, each one call of
/// [ClusterAdmin].
final class AccessRoutes extends RouteTable {
    private final ClusterAdmin admin;

    AccessRoutes(ClusterAdmin admin) {
        this.admin = admin;
        attachments();
        iscsi();
    }

    private void attachments() {
        add(
                new Route(
                        "GET",
                        "/v1/attachments",
                        "listAttachments",
                        "Who uses which volume",
                        Map.of("volume", "only this volume's"),
                        null,
                        Answer.listOf(VolumeInfo.AttachmentInfo.class),
                        r -> admin.attachments(r.query("volume"))));
        delete(
                "/v1/volumes/{volume}/attachments",
                "detachVolume",
                "Ends all attachments of a volume",
                Answer.of(Detached.class),
                r -> new Detached(admin.detach(r.part("volume"))));
        delete(
                "/v1/volumes/{volume}/attachments/{attachment}",
                "detachOne",
                "Ends one attachment; no error if it is gone",
                Answer.NONE,
                r -> {
                    admin.detach(r.part("volume"), number("attachment", r.part("attachment")));
                    return null;
                });
    }

    private void iscsi() {
        get(
                "/v1/iscsi/exports",
                "listExports",
                "Volumes offered over iSCSI",
                Answer.listOf(IscsiExport.class),
                r -> admin.exports());
        post(
                "/v1/iscsi/exports",
                "exportVolume",
                "Offers a volume over iSCSI from every node",
                ExportVolume.class,
                Answer.created(IscsiExport.class),
                r -> {
                    ExportVolume e = r.body(ExportVolume.class);
                    List<String> initiators = e.initiators();
                    Integer blockBytes = e.blockBytes();
                    return admin.exportVolume(
                            new IscsiExport.Spec(
                                    e.volume(),
                                    initiators == null ? List.of() : initiators,
                                    chap(e.chap()),
                                    chap(e.mutual()),
                                    blockBytes == null ? 512 : blockBytes));
                });
        delete(
                "/v1/iscsi/exports/{volume}",
                "unexportVolume",
                "Ends a volume's iSCSI sessions and offers it no more",
                Answer.NONE,
                r -> {
                    admin.unexportVolume(r.part("volume"));
                    return null;
                });
        get(
                "/v1/iscsi/sessions",
                "listSessions",
                "Who is logged in over iSCSI, at every node that answers",
                Answer.listOf(IscsiExport.Session.class),
                r -> admin.sessions());
    }

    private static IscsiExport.@Nullable Chap chap(@Nullable ChapSecret given) {
        if (given == null) {
            return null;
        }
        RequiredParts.check(given);
        return new IscsiExport.Chap(given.user(), given.secret());
    }
}
