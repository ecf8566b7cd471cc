package io.cistern.iscsi.cluster;

import io.cistern.iscsi.scsi.PortStates;
import io.cistern.iscsi.scsi.ScsiTarget;
import io.cistern.iscsi.scsi.ThinSpace;
import io.cistern.volume.VolumeDevice;
import java.util.UUID;

/// Makes the device server over an open volume.
@FunctionalInterface
public interface UnitFactory {
    /// @return closed before its device is
    Unit make(Parts parts);

    /// A device server and what ends it.
    record Unit(ScsiTarget target, AutoCloseable closing) {}

    /// @param volumeId unique in the cluster; with its id the identity of the logical unit
    /// @param portTag this node's relative target port and target port group
    record Parts(
            String targetName,
            UUID clusterId,
            long volumeId,
            int blockBytes,
            int portTag,
            VolumeDevice device,
            PortStates ports,
            ThinSpace space) {}
}
