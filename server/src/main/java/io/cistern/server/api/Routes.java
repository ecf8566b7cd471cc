package io.cistern.server.api;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.api.Requests.AddDisk;
import io.cistern.server.api.Requests.ChapSecret;
import io.cistern.server.api.Requests.Check;
import io.cistern.server.api.Requests.CloneVolume;
import io.cistern.server.api.Requests.CreateSnapshots;
import io.cistern.server.api.Requests.CreateVolume;
import io.cistern.server.api.Requests.Detached;
import io.cistern.server.api.Requests.ExportVolume;
import io.cistern.server.api.Requests.JoinToken;
import io.cistern.server.api.Requests.Removal;
import io.cistern.server.api.Requests.RolledBack;
import io.cistern.server.api.Requests.Self;
import io.cistern.server.api.Requests.SetName;
import io.cistern.server.api.Requests.SetPreferredLeader;
import io.cistern.server.api.Requests.SetSize;
import io.cistern.server.api.Requests.Verification;
import io.cistern.server.api.Route.Answer;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.ClusterPolicy;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.IscsiExport;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The operations of the API, each one call of [ClusterAdmin].
final class Routes {
    private final ClusterAdmin admin;
    private final Self self;
    private final Verifications verifications;
    private final List<Route> routes = new ArrayList<>();

    Routes(ClusterAdmin admin, Self self, Verifications verifications) {
        this.admin = admin;
        this.self = self;
        this.verifications = verifications;
    }

    List<Route> all() {
        cluster();
        volumes();
        snapshots();
        routes.addAll(new ShareRoutes(admin::shares).all());
        attachments();
        iscsi();
        nodes();
        disks();
        policy();
        checks();
        return List.copyOf(routes);
    }

    private void cluster() {
        get(
                "/v1/status",
                "getStatus",
                "Health, nodes, groups, volumes, capacity, running work",
                Answer.of(ClusterStatus.class),
                r -> admin.status());
        get("/v1/self", "getSelf", "The node that answers", Answer.of(Self.class), r -> self);
    }

    private void volumes() {
        get(
                "/v1/volumes",
                "listVolumes",
                "All volumes, in order of names",
                Answer.listOf(VolumeInfo.class),
                r -> admin.volumes());
        send(
                "POST",
                "/v1/volumes",
                "createVolume",
                "Creates a volume",
                CreateVolume.class,
                Answer.created(VolumeInfo.class),
                r -> {
                    CreateVolume c = r.body(CreateVolume.class);
                    int replicas = c.replicas() == null ? 0 : c.replicas();
                    return admin.createVolume(
                            new VolumeSpec(c.name(), c.sizeBytes(), replicas, limits(c.limits())));
                });
        get(
                "/v1/volumes/{volume}",
                "getVolume",
                "One volume, with the space it uses",
                Answer.of(VolumeInfo.class),
                r -> admin.volume(r.part("volume")));
        send(
                "PUT",
                "/v1/volumes/{volume}/size",
                "resizeVolume",
                "Grows a volume",
                SetSize.class,
                Answer.of(VolumeInfo.class),
                r -> admin.resizeVolume(r.part("volume"), r.body(SetSize.class).sizeBytes()));
        send(
                "PUT",
                "/v1/volumes/{volume}/name",
                "renameVolume",
                "Renames a volume",
                SetName.class,
                Answer.of(VolumeInfo.class),
                r -> admin.renameVolume(r.part("volume"), r.body(SetName.class).name()));
        send(
                "PUT",
                "/v1/volumes/{volume}/limits",
                "setLimits",
                "Sets the limits of a volume; 0 is unlimited",
                Limits.class,
                Answer.of(VolumeInfo.class),
                r -> admin.setLimits(r.part("volume"), limits(r.body(Limits.class))));
        send(
                "PUT",
                "/v1/volumes/{volume}/preferred-leader",
                "preferLeader",
                "Hints which node should lead the volume's group",
                SetPreferredLeader.class,
                Answer.NONE,
                r -> {
                    admin.preferLeader(r.part("volume"), r.body(SetPreferredLeader.class).node());
                    return null;
                });
        delete(
                "/v1/volumes/{volume}",
                "deleteVolume",
                "Deletes a volume and its snapshots",
                Answer.NONE,
                r -> {
                    admin.deleteVolume(r.part("volume"));
                    return null;
                });
    }

    private void snapshots() {
        send(
                "POST",
                "/v1/snapshots",
                "createSnapshots",
                "Freezes one or several volumes in one instant",
                CreateSnapshots.class,
                new Answer(VolumeInfo.SnapshotInfo.class, true, 201),
                r ->
                        admin.createSnapshots(
                                r.body(CreateSnapshots.class).snapshots().stream()
                                        .map(SnapshotName::parse)
                                        .toList()));
        get(
                "/v1/volumes/{volume}/snapshots",
                "listSnapshots",
                "Snapshots of a volume, oldest first",
                Answer.listOf(VolumeInfo.SnapshotInfo.class),
                r -> admin.snapshots(r.part("volume")));
        add(
                new Route(
                        "GET",
                        "/v1/volumes/{volume}/diff",
                        "diffVolume",
                        "What differs between two points of a volume",
                        Map.of(
                                "from", "earlier snapshot",
                                "to", "later snapshot; the volume as it is now if left out",
                                "offset", "where to start: 0, then the answer's nextOffset"),
                        null,
                        Answer.of(VolumeInfo.Diff.class),
                        r ->
                                admin.diff(
                                        r.part("volume"),
                                        required(r, "from"),
                                        r.query("to"),
                                        offset(r))));
        send(
                "POST",
                "/v1/volumes/{volume}/snapshots/{snapshot}/rollback",
                "rollbackVolume",
                "Makes the volume what the snapshot is",
                null,
                Answer.of(RolledBack.class),
                r -> new RolledBack(admin.rollback(snapshot(r))));
        send(
                "POST",
                "/v1/volumes/{volume}/snapshots/{snapshot}/clones",
                "cloneVolume",
                "Makes a writable volume of a snapshot",
                CloneVolume.class,
                Answer.created(VolumeInfo.class),
                r -> {
                    CloneVolume c = r.body(CloneVolume.class);
                    return admin.cloneVolume(snapshot(r), c.name(), limits(c.limits()));
                });
        delete(
                "/v1/volumes/{volume}/snapshots/{snapshot}",
                "deleteSnapshot",
                "Deletes a snapshot",
                Answer.NONE,
                r -> {
                    admin.deleteSnapshot(snapshot(r));
                    return null;
                });
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
        send(
                "POST",
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

    private void nodes() {
        get(
                "/v1/nodes",
                "listNodes",
                "All nodes",
                Answer.listOf(ClusterStatus.NodeInfo.class),
                r -> admin.nodes());
        send(
                "POST",
                "/v1/join-tokens",
                "createJoinToken",
                "Makes a secret with which one node may join",
                null,
                Answer.created(JoinToken.class),
                r -> new JoinToken(admin.createJoinToken()));
        send(
                "POST",
                "/v1/nodes/{node}/drain",
                "drainNode",
                "Moves all replicas of a node elsewhere, in the background",
                null,
                Answer.of(ClusterStatus.NodeInfo.class),
                r -> admin.drainNode(r.part("node")));
        delete(
                "/v1/nodes/{node}/drain",
                "keepNode",
                "Ends a drain: the node takes replicas again",
                Answer.of(ClusterStatus.NodeInfo.class),
                r -> admin.keepNode(r.part("node")));
        delete(
                "/v1/nodes/{node}",
                "removeNode",
                "Forgets a drained or lost node",
                Answer.NONE,
                r -> {
                    admin.removeNode(r.part("node"));
                    return null;
                });
    }

    private void policy() {
        get(
                "/v1/policy",
                "getPolicy",
                "How the cluster mends itself and spreads what it holds",
                Answer.of(ClusterPolicy.class),
                r -> admin.policy());
        send(
                "PUT",
                "/v1/policy",
                "setPolicy",
                "Changes that, within a second",
                ClusterPolicy.class,
                Answer.of(ClusterPolicy.class),
                r -> admin.setPolicy(r.body(ClusterPolicy.class)));
    }

    private void disks() {
        get(
                "/v1/disks",
                "listDisks",
                "All disks",
                Answer.listOf(ClusterStatus.DiskInfo.class),
                r -> admin.disks());
        send(
                "POST",
                "/v1/disks",
                "addDisk",
                "Gives a directory of a node to the pool",
                AddDisk.class,
                Answer.created(ClusterStatus.DiskInfo.class),
                r -> {
                    AddDisk a = r.body(AddDisk.class);
                    long size = a.sizeBytes() == null ? 0 : a.sizeBytes();
                    return admin.addDisk(a.node(), a.path(), size);
                });
        delete(
                "/v1/disks/{node}/{disk}",
                "removeDisk",
                "Moves what a disk holds elsewhere and forgets it; a disk's id is NODE/N",
                Answer.of(Removal.class),
                r -> new Removal(admin.removeDisk(r.part("node") + "/" + r.part("disk"))));
    }

    private void checks() {
        send(
                "POST",
                "/v1/scrubs",
                "startScrub",
                "Starts reading and mending what a volume, or all, store; the status shows it",
                Check.class,
                Answer.NONE,
                r -> {
                    admin.scrub(r.body(Check.class).volume());
                    return null;
                });
        send(
                "POST",
                "/v1/verifications",
                "startVerification",
                "Starts reading everything from every replica and comparing it",
                Check.class,
                Answer.created(Verification.class),
                r -> verifications.start(r.body(Check.class).volume()));
        get(
                "/v1/verifications/{id}",
                "getVerification",
                "How far a verification is, and its report",
                Answer.of(Verification.class),
                r -> verifications.get(r.part("id")));
    }

    private void get(String path, String name, String summary, Answer answer, Handler handler) {
        add(new Route("GET", path, name, summary, Map.of(), null, answer, handler));
    }

    private void delete(String path, String name, String summary, Answer answer, Handler handler) {
        add(new Route("DELETE", path, name, summary, Map.of(), null, answer, handler));
    }

    @SuppressWarnings("TooManyParameters") // a table row
    private void send(
            String method,
            String path,
            String name,
            String summary,
            @Nullable Class<?> body,
            Answer answer,
            Handler handler) {
        add(new Route(method, path, name, summary, Map.of(), body, answer, handler));
    }

    private void add(Route route) {
        routes.add(route);
    }

    private interface Handler extends Function<Request, @Nullable Object> {}

    private static SnapshotName snapshot(Request r) {
        return new SnapshotName(r.part("volume"), r.part("snapshot"));
    }

    private static Limits limits(@Nullable Limits given) {
        if (given == null) {
            return Limits.NONE;
        }
        if (given.iops() < 0 || given.bytesPerSecond() < 0) {
            throw new CisternException(ErrorCode.INVALID, "a limit cannot be negative");
        }
        return given;
    }

    private static String required(Request r, String name) {
        String value = r.query(name);
        if (value == null) {
            throw new CisternException(
                    ErrorCode.INVALID, "the query parameter '" + name + "' is missing");
        }
        return value;
    }

    private static long offset(Request r) {
        String text = r.query("offset");
        return text == null ? 0 : number("offset", text);
    }

    private static long number(String what, String text) {
        try {
            return Long.parseLong(text);
        } catch (NumberFormatException e) {
            throw new CisternException(
                    ErrorCode.INVALID, what + " '" + text + "' is not a number", e);
        }
    }
}
