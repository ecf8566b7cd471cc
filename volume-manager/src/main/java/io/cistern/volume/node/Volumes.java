package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command;
import io.cistern.storage.VolumeState;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemState.Phase;
import io.cistern.volume.system.SystemState.Source;
import io.cistern.volume.system.SystemState.Volume;
import java.util.List;

/// The second halves of creating and deleting volumes, for whoever asked and for the reconciler:
/// each may be done again at any time, and by two at once.
final class Volumes {
    private final Cluster cluster;
    private final Changes changes;

    Volumes(Cluster cluster) {
        this.cluster = cluster;
        this.changes = new Changes(cluster);
    }

    /// Makes the volume in its group and shows it. Where that cannot be, takes the creation back
    /// and throws why.
    void finishCreation(Volume volume) {
        try {
            changes.execute(volume, creation(volume), null);
        } catch (CisternException e) {
            if (e.code().retryable()) {
                throw e;
            }
            if (e.code() != ErrorCode.ALREADY_EXISTS) {
                propose(new SystemCommand.DeleteVolume(Cluster.request(), volume.id()));
                finishDeletion(volume);
                throw e;
            }
        }
        propose(new SystemCommand.VolumeReady(Cluster.request(), volume.id()));
    }

    private static Command creation(Volume volume) {
        Source source = volume.source();
        return source == null
                ? new Command.CreateVolume(
                        volume.id(), volume.sizeBytes(), volume.limits(), volume.createdMillis())
                : new Command.CloneVolume(
                        volume.id(),
                        source.volume(),
                        source.snapshot(),
                        volume.limits(),
                        volume.createdMillis());
    }

    /// Deletes the volume in its group and forgets it. Where the group refuses (BUSY), shows the
    /// volume again and throws why.
    void finishDeletion(Volume volume) {
        try {
            delete(volume);
        } catch (CisternException e) {
            if (e.code() == ErrorCode.BUSY) {
                propose(new SystemCommand.KeepVolume(Cluster.request(), volume.id()));
            }
            if (e.code() != ErrorCode.NOT_FOUND) {
                throw e;
            }
        }
        propose(new SystemCommand.RemoveVolume(Cluster.request(), volume.id()));
    }

    /// As the volume is once the cluster has been asked whether it is still to be deleted: somebody
    /// else may have finished, or shown it again.
    private void delete(Volume volume) {
        long deadline = System.nanoTime() + Cluster.CONTROL.toNanos();
        while (true) {
            List<VolumeState> seen = changes.describe(List.of(volume));
            Volume listed = cluster.fresh().volumes().get(volume.id());
            if (listed == null) {
                return;
            }
            if (listed.phase() != Phase.DELETING) {
                throw new CisternException(
                        ErrorCode.CHANGED,
                        "volume '" + volume.name() + "' is not being deleted any more");
            }
            try {
                changes.execute(
                        volume,
                        changes.conditional(seen, new Command.DeleteVolume(volume.id())),
                        null);
                return;
            } catch (CisternException e) {
                if (e.code() != ErrorCode.CHANGED || System.nanoTime() - deadline >= 0) {
                    throw e;
                }
            }
        }
    }

    private void propose(SystemCommand command) {
        cluster.system().propose(command, Cluster.CONTROL);
    }
}
