package io.cistern.vmdisk;

import io.cistern.vmdisk.vhost.Buffers;
import java.nio.file.Path;

/// Opens sockets, and holds what they share.
///
/// @param pool request buffers of all NBD sockets
/// @param buffers those of all vhost-user sockets
record DiskServers(BufferPool pool, NbdLimits limits, Buffers buffers) {

    /// @param bufferBytes limit of all request buffers together
    static DiskServers of(long bufferBytes, NbdLimits limits) {
        return new DiskServers(
                new BufferPool(bufferBytes / 2), limits, new Buffers(bufferBytes / 2));
    }

    /// @throws io.cistern.block.CisternException as [NbdServer#open]
    DiskServer open(Transport transport, Export export, Path socket) {
        return switch (transport) {
            case NBD -> NbdServer.open(export, socket, pool, limits);
            case VHOST_USER -> VhostDisk.open(export, socket, buffers);
        };
    }
}
