package io.cistern.vmdisk;

import io.cistern.volume.ClusterClient;
import io.cistern.volume.ClusterClient.Resumption;
import io.cistern.volume.VolumeDevice;

/// Opens volumes of a cluster.
///
/// An attachment is resumed only while the cluster still lists it, which one entry of the group's
/// log decides: a driver that comes back after another host took the volume over does not take it
/// back.
public final class ClusterVolumeOpener implements VolumeOpener {
    private final ClusterClient client;

    /// @param client is not closed by [#close], since closing it would end the attachments that the
    ///   next start of the driver resumes
    public ClusterVolumeOpener(ClusterClient client) {
        this.client = client;
    }

    @Override
    public Opened open(Request request) {
        Resumption previous = request.resume();
        VolumeDevice device =
                previous == null
                        ? client.open(request.volume(), request.mode(), request.holder())
                        : client.resume(request.volume(), previous, request.holder());
        return new Opened(device, device.attachment(), device.ended());
    }
}
