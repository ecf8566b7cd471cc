package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Names;
import io.cistern.block.Size;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.VolumeState;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeSpec;
import io.cistern.volume.client.Several;
import io.cistern.volume.client.Waits;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Phase;
import io.cistern.volume.system.SystemState.Source;
import io.cistern.volume.system.SystemState.Volume;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// New volumes, empty ones and clones, for people and for shares, see [ClusterAdmin].
final class Creations {
    /// So many clones of one request are made at a time: enough to fill an entry of a log, and few
    /// among the changes that the system state remembers.
    private static final int AT_A_TIME = 32;

    private final Cluster cluster;
    private final Volumes volumes;
    private final GroupChoice groups;
    private final Changes changes;

    Creations(Cluster cluster) {
        this.cluster = cluster;
        this.volumes = new Volumes(cluster);
        this.groups = new GroupChoice(cluster);
        this.changes = new Changes(cluster);
    }

    VolumeInfo create(VolumeSpec spec) {
        checkSize(spec.sizeBytes());
        checkLimits(spec.limits());
        SystemState state = cluster.fresh();
        if (state.volumeNamed(spec.name()) != null) {
            throw exists(spec.name());
        }
        int replicas = spec.replicas() == 0 ? Reconciler.defaultReplicas(state) : spec.replicas();
        Map<String, NodeReport> reports = cluster.reports();
        Group group = groups.choose(state, reports, replicas);
        groups.checkFits(spec.sizeBytes(), group, reports);
        return make(spec.name(), group.id(), spec.sizeBytes(), spec.limits(), null);
    }

    /// A volume for a share: `name` is the share's among volumes.
    void createShare(String name, long sizeBytes) {
        SystemState state = cluster.fresh();
        Group group = groups.choose(state, cluster.reports(), Reconciler.defaultReplicas(state));
        make(name, group.id(), sizeBytes, Limits.NONE, null);
    }

    /// As [#createShare], from a snapshot of another.
    void cloneShare(Volume parent, String snapshot, String newName) {
        long size = VolumeAdmin.snapshot(parent, describe(parent), snapshot).sizeBytes();
        Source source = new Source(parent.id(), parent.name(), snapshot);
        make(newName, parent.group(), size, Limits.NONE, source);
    }

    /// The names and the snapshot are looked at once for all; from there on each clone goes its own
    /// way beside the others, and the logs gather their entries.
    List<VolumeInfo> clone(SnapshotName snapshot, List<String> newNames, Limits limits) {
        checkClones(newNames);
        checkLimits(limits);
        Volume parent = cluster.volume(snapshot.volume());
        String from = snapshot.snapshot();
        long size = VolumeAdmin.snapshot(parent, describe(parent), from).sizeBytes();
        Source source = new Source(parent.id(), parent.name(), from);
        return Several.each(
                newNames, AT_A_TIME, name -> make(name, parent.group(), size, limits, source));
    }

    private static void checkClones(List<String> names) {
        if (names.isEmpty() || names.size() > ClusterAdmin.MAX_CLONES) {
            throw new CisternException(
                    ErrorCode.INVALID, "name 1 to " + ClusterAdmin.MAX_CLONES + " new volumes");
        }
        Set<String> seen = new HashSet<>();
        for (String name : names) {
            if (!seen.add(Names.check("volume name", name))) {
                throw new CisternException(
                        ErrorCode.INVALID, "volume '" + name + "' is named twice");
            }
        }
    }

    /// Each step waits for a log; beyond the three there are, nothing is asked that is known.
    private VolumeInfo make(
            String name, long group, long sizeBytes, Limits limits, @Nullable Source source) {
        long now = System.currentTimeMillis();
        long id =
                cluster.system()
                        .propose(
                                new SystemCommand.CreateVolume(
                                        Cluster.request(),
                                        name,
                                        group,
                                        sizeBytes,
                                        limits,
                                        source,
                                        now),
                                Cluster.CONTROL);
        Volume volume =
                new Volume(
                        id, name, Phase.CREATING, List.of(group), sizeBytes, limits, source, now);
        volumes.finishCreation(volume);
        return created(volume);
    }

    private VolumeInfo created(Volume volume) {
        SystemState system = cluster.catalog().state();
        Group group = system.groups().get(volume.group());
        Source source = volume.source();
        return new VolumeInfo(
                volume.name(),
                volume.id(),
                VolumeInfo.State.READY,
                volume.sizeBytes(),
                -1,
                group == null ? 0 : group.wanted(),
                "g" + volume.group(),
                cluster.client().leader(volume.group()),
                volume.limits(),
                source == null ? null : VolumeAdmin.parent(system, source),
                0,
                List.of(),
                volume.createdMillis());
    }

    static void checkSize(long bytes) {
        if (bytes <= 0 || bytes % 512 != 0 || bytes > VolumeSpec.MAX_BYTES) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    bytes
                            + " bytes cannot be the size of a volume: it is a multiple of 512, up to "
                            + Size.format(VolumeSpec.MAX_BYTES));
        }
    }

    static void checkLimits(Limits limits) {
        if (limits.iops() < 0 || limits.bytesPerSecond() < 0) {
            throw new CisternException(ErrorCode.INVALID, "a limit cannot be negative");
        }
    }

    private VolumeState describe(Volume volume) {
        return Waits.get(changes.describing(volume), Cluster.CONTROL);
    }

    private static CisternException exists(String name) {
        return new CisternException(
                ErrorCode.ALREADY_EXISTS,
                "a volume '" + name + "' exists already; choose another name");
    }
}
