package io.cistern.volume.node;

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
import io.cistern.volume.image.ImageService;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// [ClusterAdmin] as any process that reaches the cluster offers it.
final class AdminService implements ClusterAdmin {
    private final Cluster cluster;
    private final Creations creations;
    private final VolumeAdmin volumes;
    private final SnapshotAdmin snapshots;
    private final StatusView view;
    private final NodeAdmin nodes;
    private final VerifyAdmin verifying;
    private final ExportAdmin exports;
    private final Shares shares;
    private final ImageService.Runner work;

    /// @param work lists verifications while they run
    AdminService(Cluster cluster, String clusterId, ImageService.Runner work) {
        this.work = work;
        this.cluster = cluster;
        this.creations = new Creations(cluster);
        this.volumes = new VolumeAdmin(cluster);
        this.snapshots = new SnapshotAdmin(cluster, volumes);
        this.view = new StatusView(cluster, clusterId, volumes::list);
        this.nodes = new NodeAdmin(cluster, view);
        this.verifying = new VerifyAdmin(cluster, volumes);
        this.exports = new ExportAdmin(cluster, volumes);
        this.shares = new Shares(cluster, creations, volumes, snapshots);
    }

    @Override
    public ClusterStatus status() {
        return view.status();
    }

    @Override
    public VolumeInfo createVolume(VolumeSpec spec) {
        return creations.create(spec);
    }

    @Override
    public List<VolumeInfo> volumes() {
        return volumes.list(cluster.fresh());
    }

    @Override
    public VolumeInfo volume(String name) {
        return volumes.show(name);
    }

    @Override
    public VolumeInfo resizeVolume(String name, long sizeBytes) {
        return volumes.resize(name, sizeBytes);
    }

    @Override
    public VolumeInfo renameVolume(String name, String newName) {
        return volumes.rename(name, newName);
    }

    @Override
    public VolumeInfo setLimits(String name, Limits limits) {
        return volumes.limits(name, limits);
    }

    @Override
    public void deleteVolume(String name) {
        volumes.delete(name);
    }

    @Override
    public List<SnapshotInfo> createSnapshots(List<SnapshotName> names) {
        return snapshots.create(names);
    }

    @Override
    public List<SnapshotInfo> snapshots(String volume) {
        return snapshots.list(volume);
    }

    @Override
    public Diff diff(String volume, String from, @Nullable String to, long offset) {
        return snapshots.diff(volume, from, to, offset);
    }

    @Override
    public String rollback(SnapshotName snapshot) {
        return snapshots.rollback(snapshot);
    }

    @Override
    public void deleteSnapshot(SnapshotName snapshot) {
        snapshots.delete(snapshot);
    }

    @Override
    public VolumeInfo cloneVolume(SnapshotName snapshot, String newName, Limits limits) {
        return creations.clone(snapshot, List.of(newName), limits).getFirst();
    }

    @Override
    public List<VolumeInfo> cloneVolumes(
            SnapshotName snapshot, List<String> newNames, Limits limits) {
        return creations.clone(snapshot, newNames, limits);
    }

    @Override
    public ShareAdmin shares() {
        return shares;
    }

    @Override
    public List<AttachmentInfo> attachments(@Nullable String volume) {
        return volumes.attachments(volume);
    }

    @Override
    public int detach(String volume) {
        return volumes.detach(volume);
    }

    @Override
    public void detach(String volume, long attachment) {
        volumes.detach(volume, attachment);
    }

    @Override
    public void preferLeader(String volume, String node) {
        volumes.prefer(volume, node);
    }

    @Override
    public IscsiExport exportVolume(IscsiExport.Spec spec) {
        return exports.export(spec);
    }

    @Override
    public void unexportVolume(String volume) {
        exports.unexport(volume);
    }

    @Override
    public List<IscsiExport> exports() {
        return exports.list();
    }

    @Override
    public List<IscsiExport.Session> sessions() {
        return cluster.sessions();
    }

    @Override
    public List<NodeInfo> nodes() {
        return nodes.nodes();
    }

    @Override
    public String createJoinToken() {
        return nodes.createToken();
    }

    @Override
    public NodeInfo drainNode(String node) {
        return nodes.drain(node);
    }

    @Override
    public void removeNode(String node) {
        nodes.remove(node);
    }

    @Override
    public List<DiskInfo> disks() {
        return nodes.disks();
    }

    @Override
    public DiskInfo addDisk(String node, String path, long sizeBytes) {
        return nodes.addDisk(node, path, sizeBytes);
    }

    @Override
    public boolean removeDisk(String disk) {
        return nodes.removeDisk(disk);
    }

    @Override
    public NodeInfo keepNode(String node) {
        return nodes.keep(node);
    }

    @Override
    public ClusterPolicy policy() {
        return nodes.policy();
    }

    @Override
    public ClusterPolicy setPolicy(ClusterPolicy policy) {
        return nodes.setPolicy(policy);
    }

    @Override
    public void scrub(@Nullable String volume) {
        nodes.scrub(volume);
    }

    @Override
    public VerifyReport verify(@Nullable String volume, Progress progress) {
        return work.run(
                "verify",
                volume == null ? "all volumes" : "volume " + volume,
                progress,
                heard -> verifying.verify(volume, heard));
    }
}
