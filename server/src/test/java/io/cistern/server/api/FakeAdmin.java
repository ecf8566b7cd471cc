package io.cistern.server.api;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.ClusterPolicy;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.ClusterStatus.Capacity;
import io.cistern.volume.ClusterStatus.DiskInfo;
import io.cistern.volume.ClusterStatus.GroupInfo;
import io.cistern.volume.ClusterStatus.Health;
import io.cistern.volume.ClusterStatus.NodeInfo;
import io.cistern.volume.ClusterStatus.NodeState;
import io.cistern.volume.ClusterStatus.ReplicaInfo;
import io.cistern.volume.ClusterStatus.ReplicaState;
import io.cistern.volume.ClusterStatus.WorkInfo;
import io.cistern.volume.IscsiExport;
import io.cistern.volume.Progress;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeInfo.AttachmentInfo;
import io.cistern.volume.VolumeInfo.Diff;
import io.cistern.volume.VolumeInfo.DiffRange;
import io.cistern.volume.VolumeInfo.SnapshotInfo;
import io.cistern.volume.VolumeSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// A cluster in memory with three nodes. Times stand still at 1 s after 1970.
public final class FakeAdmin implements ClusterAdmin {
    private static final long NOW = 1000;

    private final FakeShares shares = new FakeShares();
    private final TreeMap<String, VolumeInfo> volumes = new TreeMap<>();
    private final TreeMap<String, List<SnapshotInfo>> snapshots = new TreeMap<>();
    private final TreeMap<String, IscsiExport> exports = new TreeMap<>();
    private final List<DiskInfo> disks = new ArrayList<>();
    private final List<String> nodeNames = new ArrayList<>(List.of("n0", "n1", "n2"));
    private final List<String> log = new ArrayList<>();
    private Health health = Health.OK;
    private List<String> mismatches = List.of();
    private List<String> unasked = List.of();
    private List<String> notes = List.of();
    private final TreeMap<String, Integer> levels = new TreeMap<>();
    private long nextId = 1;
    private ClusterPolicy policy = new ClusterPolicy(600, true, 0);

    public FakeAdmin() {
        for (String n : nodeNames) {
            disks.add(new DiskInfo(n + "/0", n, "/data/" + n, 64L << 30, 32L << 30, false, null));
        }
    }

    @Override
    public io.cistern.volume.ShareAdmin shares() {
        return shares;
    }

    /// What was asked for that leaves no other trace.
    public synchronized List<String> log() {
        return List.copyOf(log);
    }

    public synchronized void health(Health now) {
        health = now;
    }

    public synchronized void mismatches(List<String> found) {
        mismatches(found, List.of());
    }

    /// @param absent those of `found` that could not be asked
    public synchronized void mismatches(List<String> found, List<String> absent) {
        mismatches = found;
        unasked = absent;
    }

    /// Lets a node be one of an earlier release.
    public synchronized void older(String node, String note) {
        levels.put(node, 0);
        notes = List.of(note);
    }

    public synchronized void attach(String volume, AttachMode mode) {
        VolumeInfo v = volume(volume);
        AttachmentInfo a = new AttachmentInfo(volume, nextId++, mode, "test", NOW);
        put(v, v.sizeBytes(), v.limits(), List.of(a));
    }

    private void put(VolumeInfo v, long size, Limits limits, List<AttachmentInfo> attachments) {
        volumes.put(
                v.name(),
                new VolumeInfo(
                        v.name(),
                        v.id(),
                        v.state(),
                        size,
                        v.usedBytes(),
                        v.replicas(),
                        v.group(),
                        v.leader(),
                        limits,
                        v.parent(),
                        snapshots.getOrDefault(v.name(), List.of()).size(),
                        attachments,
                        v.createdMillis()));
    }

    @Override
    public synchronized ClusterStatus status() {
        List<String> reasons = health == Health.OK ? List.of() : List.of("node n2 is down");
        return new ClusterStatus(
                "00112233445566778899aabbccddeeff",
                health,
                reasons,
                nodes(),
                List.of(
                        new GroupInfo(
                                "g1",
                                3,
                                "n1",
                                4,
                                List.of(
                                        new ReplicaInfo(
                                                "n0.1",
                                                "n0",
                                                ReplicaState.FOLLOWER,
                                                90,
                                                0,
                                                null,
                                                1 << 20,
                                                0),
                                        new ReplicaInfo(
                                                "n1.1",
                                                "n1",
                                                ReplicaState.LEADER,
                                                90,
                                                0,
                                                null,
                                                1 << 20,
                                                0),
                                        new ReplicaInfo(
                                                "n2.1",
                                                "n2",
                                                ReplicaState.CATCHING_UP,
                                                50,
                                                40,
                                                0.25,
                                                1 << 18,
                                                1 << 18)),
                                volumes.size())),
                volumes(),
                new Capacity(192L << 30, 96L << 30, 96L << 30, 10L << 30),
                List.of(
                        new WorkInfo(
                                "w1",
                                "scrub",
                                "volume vm1",
                                "n0",
                                1L << 30,
                                4L << 30,
                                "bytes",
                                NOW,
                                65000)),
                1,
                notes);
    }

    @Override
    public synchronized VolumeInfo createVolume(VolumeSpec spec) {
        if (spec.sizeBytes() <= 0 || spec.sizeBytes() % 512 != 0) {
            throw new CisternException(
                    ErrorCode.INVALID, "a volume's size must be a multiple of 512 bytes");
        }
        if (volumes.containsKey(spec.name())) {
            throw new CisternException(
                    ErrorCode.ALREADY_EXISTS, "there is a volume " + spec.name() + " already");
        }
        VolumeInfo v = make(spec.name(), spec.sizeBytes(), spec.replicas(), spec.limits(), null);
        volumes.put(spec.name(), v);
        return v;
    }

    private VolumeInfo make(
            String name, long size, int replicas, Limits limits, @Nullable String parent) {
        return new VolumeInfo(
                name,
                nextId++,
                VolumeInfo.State.READY,
                size,
                1L << 20,
                replicas == 0 ? 3 : replicas,
                "g1",
                "n1",
                limits,
                parent,
                0,
                List.of(),
                NOW);
    }

    @Override
    public synchronized List<VolumeInfo> volumes() {
        return List.copyOf(volumes.values());
    }

    @Override
    public synchronized VolumeInfo volume(String name) {
        VolumeInfo v = volumes.get(name);
        if (v == null) {
            throw new CisternException(ErrorCode.NOT_FOUND, "there is no volume " + name);
        }
        return v;
    }

    @Override
    public synchronized VolumeInfo resizeVolume(String name, long sizeBytes) {
        VolumeInfo v = volume(name);
        if (sizeBytes < v.sizeBytes()) {
            throw new CisternException(ErrorCode.INVALID, "a volume cannot shrink");
        }
        put(v, sizeBytes, v.limits(), v.attachments());
        return volume(name);
    }

    @Override
    public synchronized VolumeInfo renameVolume(String name, String newName) {
        VolumeInfo v = volume(name);
        volumes.remove(name);
        volumes.put(newName, make(newName, v.sizeBytes(), v.replicas(), v.limits(), v.parent()));
        return volume(newName);
    }

    @Override
    public synchronized VolumeInfo setLimits(String name, Limits limits) {
        VolumeInfo v = volume(name);
        put(v, v.sizeBytes(), limits, v.attachments());
        return volume(name);
    }

    @Override
    public synchronized IscsiExport exportVolume(IscsiExport.Spec spec) {
        volume(spec.volume());
        IscsiExport.Chap chap = spec.chap();
        IscsiExport.Chap mutual = spec.mutual();
        log.add("export " + spec + (chap == null ? "" : " " + chap.secret()));
        IscsiExport made =
                new IscsiExport(
                        spec.volume(),
                        IscsiExport.PREFIX + spec.volume(),
                        spec.initiators(),
                        chap == null ? null : chap.user(),
                        mutual == null ? null : mutual.user(),
                        spec.blockBytes(),
                        NOW,
                        List.of(new IscsiExport.PortalInfo(1, "n0", "127.0.0.1:7490")));
        exports.put(spec.volume(), made);
        return made;
    }

    @Override
    public synchronized void unexportVolume(String volume) {
        volume(volume);
        exports.remove(volume);
    }

    @Override
    public synchronized List<IscsiExport> exports() {
        return List.copyOf(exports.values());
    }

    @Override
    public synchronized List<IscsiExport.Session> sessions() {
        return exports.keySet().stream()
                .map(v ->
                        new IscsiExport.Session(
                                "n0",
                                v,
                                "iqn.1993-08.org.debian:01:abc",
                                "127.0.0.1:50000",
                                NOW,
                                7,
                                4096,
                                8192))
                .toList();
    }

    @Override
    public synchronized void deleteVolume(String name) {
        if (!volume(name).attachments().isEmpty()) {
            throw new CisternException(
                    ErrorCode.BUSY, "volume " + name + " is attached; detach it first");
        }
        volumes.remove(name);
        snapshots.remove(name);
    }

    @Override
    public synchronized List<SnapshotInfo> createSnapshots(List<SnapshotName> names) {
        List<SnapshotInfo> made = new ArrayList<>();
        for (SnapshotName n : names) {
            VolumeInfo v = volume(n.volume());
            SnapshotInfo s = new SnapshotInfo(n.volume(), n.snapshot(), v.sizeBytes(), 4096, NOW);
            snapshots.computeIfAbsent(n.volume(), x -> new ArrayList<>()).add(s);
            put(v, v.sizeBytes(), v.limits(), v.attachments());
            made.add(s);
        }
        return made;
    }

    @Override
    public synchronized List<SnapshotInfo> snapshots(String volume) {
        volume(volume);
        return List.copyOf(snapshots.getOrDefault(volume, List.of()));
    }

    /// Two pages, so that callers must follow `nextOffset`.
    @Override
    public synchronized Diff diff(String volume, String from, @Nullable String to, long offset) {
        volume(volume);
        return offset == 0
                ? new Diff(List.of(new DiffRange(0, 4096)), 4096, 65536)
                : new Diff(List.of(new DiffRange(offset, 8192)), 8192, -1);
    }

    @Override
    public synchronized String rollback(SnapshotName snapshot) {
        find(snapshot);
        log.add("rollback " + snapshot);
        return "before-" + snapshot.snapshot();
    }

    private void find(SnapshotName name) {
        if (snapshots(name.volume()).stream().noneMatch(s -> s.name().equals(name.snapshot()))) {
            throw new CisternException(ErrorCode.NOT_FOUND, "there is no snapshot " + name);
        }
    }

    @Override
    public synchronized void deleteSnapshot(SnapshotName snapshot) {
        find(snapshot);
        snapshots
                .getOrDefault(snapshot.volume(), new ArrayList<>())
                .removeIf(s -> s.name().equals(snapshot.snapshot()));
    }

    @Override
    public synchronized VolumeInfo cloneVolume(
            SnapshotName snapshot, String newName, Limits limits) {
        find(snapshot);
        VolumeInfo v =
                make(
                        newName,
                        volume(snapshot.volume()).sizeBytes(),
                        3,
                        limits,
                        snapshot.toString());
        volumes.put(newName, v);
        return v;
    }

    @Override
    public synchronized List<VolumeInfo> cloneVolumes(
            SnapshotName snapshot, List<String> newNames, Limits limits) {
        log.add("clone " + snapshot + " " + newNames.size());
        return newNames.stream().map(name -> cloneVolume(snapshot, name, limits)).toList();
    }

    @Override
    public synchronized List<AttachmentInfo> attachments(@Nullable String volume) {
        return volumes.values().stream()
                .filter(v -> volume == null || v.name().equals(volume))
                .flatMap(v -> v.attachments().stream())
                .toList();
    }

    @Override
    public synchronized int detach(String volume) {
        VolumeInfo v = volume(volume);
        put(v, v.sizeBytes(), v.limits(), List.of());
        return v.attachments().size();
    }

    @Override
    public synchronized void detach(String volume, long attachment) {
        log.add("detach " + volume + " " + attachment);
    }

    @Override
    public synchronized void preferLeader(String volume, String node) {
        log.add("prefer " + volume + " " + node);
    }

    @Override
    public synchronized List<NodeInfo> nodes() {
        List<NodeInfo> nodes = new ArrayList<>();
        for (String n : nodeNames) {
            boolean down = health != Health.OK && n.equals("n2");
            int k = n.charAt(1) - '0';
            nodes.add(
                    new NodeInfo(
                            n,
                            down ? 0 : 100 + k,
                            down ? NodeState.DOWN : NodeState.UP,
                            "default",
                            "http://127.0.0.1:" + (7480 + 100 * k),
                            "127.0.0.1:" + (7481 + 100 * k),
                            "127.0.0.1:" + (7482 + 100 * k),
                            null,
                            null,
                            n.equals("n1") ? List.of("g1") : List.of(),
                            disks.stream().filter(d -> d.node().equals(n)).toList(),
                            down ? null : levels.getOrDefault(n, 1)));
        }
        return nodes;
    }

    @Override
    public String createJoinToken() {
        return "secret-join-token";
    }

    @Override
    public synchronized NodeInfo drainNode(String node) {
        log.add("drain " + node);
        return nodes().stream()
                .filter(n -> n.name().equals(node))
                .findFirst()
                .orElseThrow(() ->
                        new CisternException(ErrorCode.NOT_FOUND, "there is no node " + node));
    }

    @Override
    public synchronized void removeNode(String node) {
        if (!nodeNames.remove(node)) {
            throw new CisternException(ErrorCode.NOT_FOUND, "there is no node " + node);
        }
    }

    @Override
    public synchronized List<DiskInfo> disks() {
        return List.copyOf(disks);
    }

    @Override
    public synchronized DiskInfo addDisk(String node, String path, long sizeBytes) {
        DiskInfo d = new DiskInfo(node + "/1", node, path, sizeBytes, sizeBytes, false, null);
        disks.add(d);
        return d;
    }

    @Override
    public synchronized boolean removeDisk(String disk) {
        if (!disks.removeIf(d -> d.id().equals(disk))) {
            throw new CisternException(ErrorCode.NOT_FOUND, "there is no disk " + disk);
        }
        return true;
    }

    @Override
    public synchronized NodeInfo keepNode(String node) {
        log.add("keep " + node);
        return nodes().getFirst();
    }

    @Override
    public synchronized ClusterPolicy policy() {
        return policy;
    }

    @Override
    public synchronized ClusterPolicy setPolicy(ClusterPolicy changed) {
        policy = changed;
        return policy;
    }

    @Override
    public synchronized void scrub(@Nullable String volume) {
        log.add("scrub " + volume);
    }

    @Override
    public VerifyReport verify(@Nullable String volume, Progress progress) {
        if (volume != null) {
            volume(volume);
        }
        progress.report(1, 2, 10);
        synchronized (this) {
            return new VerifyReport(1, 8192, mismatches.size(), 0, mismatches, unasked, notes);
        }
    }
}
