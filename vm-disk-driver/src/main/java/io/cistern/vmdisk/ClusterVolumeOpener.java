package io.cistern.vmdisk;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.volume.ClusterClient;
import io.cistern.volume.VolumeDevice;

/// Opens volumes of a cluster.
///
/// An attachment is resumed only while the cluster still lists it: a driver that comes back after
/// another host took the volume over must not take it back.
public final class ClusterVolumeOpener implements VolumeOpener {
    private final ClusterClient client;

    /// @param client is not closed by [#close], since closing it would end the attachments that the
    ///   next start of the driver resumes
    public ClusterVolumeOpener(ClusterClient client) {
        this.client = client;
    }

    @Override
    public Opened open(Request request) {
        if (request.resume() != 0
                && client.attachments(request.volume()).stream()
                        .noneMatch(attachment -> attachment.id() == request.resume())) {
            throw new CisternException(
                    ErrorCode.FENCED,
                    "volume "
                            + request.volume()
                            + " was attached elsewhere while the driver was down; attach it again"
                            + " to take it back");
        }
        VolumeDevice device = client.open(request.volume(), request.mode(), request.holder());
        return new Opened(device, device.attachment(), device.ended());
    }
}
