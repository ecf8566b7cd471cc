package io.cistern.server.api;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.api.Requests.CloneVolume;
import io.cistern.server.api.Requests.CloneVolumes;
import io.cistern.server.api.Requests.CreateSnapshots;
import io.cistern.server.api.Requests.CreateVolume;
import io.cistern.server.api.Requests.RolledBack;
import io.cistern.server.api.Requests.SetName;
import io.cistern.server.api.Requests.SetPreferredLeader;
import io.cistern.server.api.Requests.SetSize;
import io.cistern.server.api.Route.Answer;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeSpec;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The operations of the API on volumes and their snapshots, each one call of [ClusterAdmin].
final class VolumeRoutes extends RouteTable {
    private final ClusterAdmin admin;

    VolumeRoutes(ClusterAdmin admin) {
        this.admin = admin;
        volumes();
        snapshots();
    }

    private void volumes() {
        get(
                "/v1/volumes",
                "listVolumes",
                "All volumes, in order of names",
                Answer.listOf(VolumeInfo.class),
                r -> admin.volumes());
        post(
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
        put(
                "/v1/volumes/{volume}/size",
                "resizeVolume",
                "Grows a volume",
                SetSize.class,
                Answer.of(VolumeInfo.class),
                r -> admin.resizeVolume(r.part("volume"), r.body(SetSize.class).sizeBytes()));
        put(
                "/v1/volumes/{volume}/name",
                "renameVolume",
                "Renames a volume",
                SetName.class,
                Answer.of(VolumeInfo.class),
                r -> admin.renameVolume(r.part("volume"), r.body(SetName.class).name()));
        put(
                "/v1/volumes/{volume}/limits",
                "setLimits",
                "Sets the limits of a volume; 0 is unlimited",
                Limits.class,
                Answer.of(VolumeInfo.class),
                r -> admin.setLimits(r.part("volume"), limits(r.body(Limits.class))));
        put(
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
        post(
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
        post(
                "/v1/volumes/{volume}/snapshots/{snapshot}/rollback",
                "rollbackVolume",
                "Makes the volume what the snapshot is",
                null,
                Answer.of(RolledBack.class),
                r -> new RolledBack(admin.rollback(snapshot(r))));
        post(
                "/v1/volumes/{volume}/snapshots/{snapshot}/clones",
                "cloneVolume",
                "Makes a writable volume of a snapshot",
                CloneVolume.class,
                Answer.created(VolumeInfo.class),
                r -> {
                    CloneVolume c = r.body(CloneVolume.class);
                    return admin.cloneVolume(snapshot(r), c.name(), limits(c.limits()));
                });
        post(
                "/v1/clones",
                "cloneVolumes",
                "Makes several writable volumes of a snapshot at once",
                CloneVolumes.class,
                new Answer(VolumeInfo.class, true, 201),
                r -> {
                    CloneVolumes c = r.body(CloneVolumes.class);
                    return admin.cloneVolumes(
                            SnapshotName.parse(c.snapshot()), c.names(), limits(c.limits()));
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
}
