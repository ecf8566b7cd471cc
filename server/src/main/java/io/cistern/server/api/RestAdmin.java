package io.cistern.server.api;

import io.cistern.block.CisternException;
import io.cistern.server.api.Requests.AddDisk;
import io.cistern.server.api.Requests.ChapSecret;
import io.cistern.server.api.Requests.Check;
import io.cistern.server.api.Requests.CloneVolume;
import io.cistern.server.api.Requests.CloneVolumes;
import io.cistern.server.api.Requests.CreateSnapshots;
import io.cistern.server.api.Requests.CreateVolume;
import io.cistern.server.api.Requests.Detached;
import io.cistern.server.api.Requests.ExportVolume;
import io.cistern.server.api.Requests.Failure;
import io.cistern.server.api.Requests.JoinToken;
import io.cistern.server.api.Requests.Removal;
import io.cistern.server.api.Requests.RolledBack;
import io.cistern.server.api.Requests.SetName;
import io.cistern.server.api.Requests.SetPreferredLeader;
import io.cistern.server.api.Requests.SetSize;
import io.cistern.server.api.Requests.Verification;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.ClusterPolicy;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.ClusterStatus.DiskInfo;
import io.cistern.volume.ClusterStatus.NodeInfo;
import io.cistern.volume.IscsiExport;
import io.cistern.volume.Progress;
import io.cistern.volume.ShareAdmin;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeInfo.AttachmentInfo;
import io.cistern.volume.VolumeInfo.Diff;
import io.cistern.volume.VolumeInfo.SnapshotInfo;
import io.cistern.volume.VolumeSpec;
import io.cistern.volume.client.Several;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// [ClusterAdmin] over the REST API. Blocks; any thread.
public final class RestAdmin implements ClusterAdmin {
    private static final long POLL_MILLIS = 300;
    private static final int CLONES_AT_A_TIME = 8;

    private final RestClient rest;

    public RestAdmin(RestClient rest) {
        this.rest = rest;
    }

    /// The cluster that the API belongs to.
    public String clusterId() {
        return rest.get("/v1/self", Requests.Self.class).clusterId();
    }

    @Override
    public ClusterStatus status() {
        return rest.get("/v1/status", ClusterStatus.class);
    }

    @Override
    public VolumeInfo createVolume(VolumeSpec spec) {
        return rest.send(
                "POST",
                "/v1/volumes",
                new CreateVolume(spec.name(), spec.sizeBytes(), spec.replicas(), spec.limits()),
                VolumeInfo.class);
    }

    @Override
    public List<VolumeInfo> volumes() {
        return List.of(rest.get("/v1/volumes", VolumeInfo[].class));
    }

    @Override
    public VolumeInfo volume(String name) {
        return rest.get(volumePath(name), VolumeInfo.class);
    }

    @Override
    public VolumeInfo resizeVolume(String name, long sizeBytes) {
        return rest.send(
                "PUT", volumePath(name) + "/size", new SetSize(sizeBytes), VolumeInfo.class);
    }

    @Override
    public VolumeInfo renameVolume(String name, String newName) {
        return rest.send("PUT", volumePath(name) + "/name", new SetName(newName), VolumeInfo.class);
    }

    @Override
    public VolumeInfo setLimits(String name, Limits limits) {
        return rest.send("PUT", volumePath(name) + "/limits", limits, VolumeInfo.class);
    }

    @Override
    public void deleteVolume(String name) {
        rest.send("DELETE", volumePath(name), null, Void.class);
    }

    @Override
    public List<SnapshotInfo> createSnapshots(List<SnapshotName> names) {
        List<String> texts = names.stream().map(SnapshotName::toString).toList();
        return List.of(
                rest.send(
                        "POST", "/v1/snapshots", new CreateSnapshots(texts), SnapshotInfo[].class));
    }

    @Override
    public List<SnapshotInfo> snapshots(String volume) {
        return List.of(rest.get(volumePath(volume) + "/snapshots", SnapshotInfo[].class));
    }

    @Override
    public Diff diff(String volume, String from, @Nullable String to, long offset) {
        String path =
                volumePath(volume)
                        + "/diff?from="
                        + RestClient.encode(from)
                        + (to == null ? "" : "&to=" + RestClient.encode(to))
                        + "&offset="
                        + offset;
        return rest.get(path, Diff.class);
    }

    @Override
    public String rollback(SnapshotName snapshot) {
        return rest.send("POST", snapshotPath(snapshot) + "/rollback", null, RolledBack.class)
                .safetySnapshot();
    }

    @Override
    public void deleteSnapshot(SnapshotName snapshot) {
        rest.send("DELETE", snapshotPath(snapshot), null, Void.class);
    }

    @Override
    public VolumeInfo cloneVolume(SnapshotName snapshot, String newName, Limits limits) {
        return rest.send(
                "POST",
                snapshotPath(snapshot) + "/clones",
                new CloneVolume(newName, limits),
                VolumeInfo.class);
    }

    @Override
    public List<VolumeInfo> cloneVolumes(
            SnapshotName snapshot, List<String> newNames, Limits limits) {
        try {
            return List.of(
                    rest.send(
                            "POST",
                            "/v1/clones",
                            new CloneVolumes(snapshot.toString(), newNames, limits),
                            VolumeInfo[].class));
        } catch (CisternException e) {
            if (!ApiHandler.NO_RESOURCE.equals(e.getMessage())) {
                throw e;
            }
            // A node of an earlier release makes one at a time.
            return Several.each(
                    newNames, CLONES_AT_A_TIME, name -> cloneVolume(snapshot, name, limits));
        }
    }

    @Override
    public ShareAdmin shares() {
        return new RestShares(rest);
    }

    @Override
    public List<AttachmentInfo> attachments(@Nullable String volume) {
        String query = volume == null ? "" : "?volume=" + RestClient.encode(volume);
        return List.of(rest.get("/v1/attachments" + query, AttachmentInfo[].class));
    }

    @Override
    public int detach(String volume) {
        return rest.send("DELETE", volumePath(volume) + "/attachments", null, Detached.class)
                .ended();
    }

    @Override
    public void detach(String volume, long attachment) {
        rest.send("DELETE", volumePath(volume) + "/attachments/" + attachment, null, Void.class);
    }

    @Override
    public void preferLeader(String volume, String node) {
        rest.send(
                "PUT",
                volumePath(volume) + "/preferred-leader",
                new SetPreferredLeader(node),
                Void.class);
    }

    @Override
    public IscsiExport exportVolume(IscsiExport.Spec spec) {
        return rest.send(
                "POST",
                "/v1/iscsi/exports",
                new ExportVolume(
                        spec.volume(),
                        spec.initiators(),
                        chap(spec.chap()),
                        chap(spec.mutual()),
                        spec.blockBytes()),
                IscsiExport.class);
    }

    private static @Nullable ChapSecret chap(IscsiExport.@Nullable Chap chap) {
        return chap == null ? null : new ChapSecret(chap.user(), chap.secret());
    }

    @Override
    public void unexportVolume(String volume) {
        rest.send("DELETE", "/v1/iscsi/exports/" + RestClient.encode(volume), null, Void.class);
    }

    @Override
    public List<IscsiExport> exports() {
        return List.of(rest.get("/v1/iscsi/exports", IscsiExport[].class));
    }

    @Override
    public List<IscsiExport.Session> sessions() {
        return List.of(rest.get("/v1/iscsi/sessions", IscsiExport.Session[].class));
    }

    @Override
    public List<NodeInfo> nodes() {
        return List.of(rest.get("/v1/nodes", NodeInfo[].class));
    }

    @Override
    public String createJoinToken() {
        return rest.send("POST", "/v1/join-tokens", null, JoinToken.class).token();
    }

    @Override
    public NodeInfo drainNode(String node) {
        return rest.send("POST", nodePath(node) + "/drain", null, NodeInfo.class);
    }

    @Override
    public void removeNode(String node) {
        rest.send("DELETE", nodePath(node), null, Void.class);
    }

    @Override
    public List<DiskInfo> disks() {
        return List.of(rest.get("/v1/disks", DiskInfo[].class));
    }

    @Override
    public DiskInfo addDisk(String node, String path, long sizeBytes) {
        return rest.send("POST", "/v1/disks", new AddDisk(node, path, sizeBytes), DiskInfo.class);
    }

    @Override
    public boolean removeDisk(String disk) {
        int slash = disk.indexOf('/');
        String path =
                slash < 0
                        ? RestClient.encode(disk)
                        : RestClient.encode(disk.substring(0, slash))
                                + "/"
                                + RestClient.encode(disk.substring(slash + 1));
        return rest.send("DELETE", "/v1/disks/" + path, null, Removal.class).done();
    }

    @Override
    public NodeInfo keepNode(String node) {
        return rest.send("DELETE", nodePath(node) + "/drain", null, NodeInfo.class);
    }

    @Override
    public ClusterPolicy policy() {
        return rest.get("/v1/policy", ClusterPolicy.class);
    }

    @Override
    public ClusterPolicy setPolicy(ClusterPolicy policy) {
        return rest.send("PUT", "/v1/policy", policy, ClusterPolicy.class);
    }

    @Override
    public void scrub(@Nullable String volume) {
        rest.send("POST", "/v1/scrubs", new Check(volume), Void.class);
    }

    @Override
    public VerifyReport verify(@Nullable String volume, Progress progress) {
        // Only the node that was asked knows the verification.
        RestClient node = rest.pinned();
        Verification v =
                node.send("POST", "/v1/verifications", new Check(volume), Verification.class);
        while (v.running()) {
            progress.report(v.doneBytes(), v.totalBytes(), v.etaMillis());
            try {
                Thread.sleep(POLL_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new CisternException(
                        io.cistern.block.ErrorCode.UNAVAILABLE, "interrupted", e);
            }
            v = node.get("/v1/verifications/" + v.id(), Verification.class);
        }
        Failure error = v.error();
        VerifyReport report = v.report();
        if (error != null || report == null) {
            throw RestClient.exception(error, "the verification ended without a report");
        }
        return report;
    }

    private static String volumePath(String name) {
        return "/v1/volumes/" + RestClient.encode(name);
    }

    private static String snapshotPath(SnapshotName name) {
        return volumePath(name.volume()) + "/snapshots/" + RestClient.encode(name.snapshot());
    }

    private static String nodePath(String name) {
        return "/v1/nodes/" + RestClient.encode(name);
    }
}
