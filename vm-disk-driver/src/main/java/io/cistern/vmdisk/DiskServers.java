package io.cistern.vmdisk;

import java.nio.file.Path;

/// Opens sockets, and holds what they share.
///
/// @param pool request buffers of all sockets
record DiskServers(BufferPool pool, NbdLimits limits) {

    /// @throws io.cistern.block.CisternException as [NbdServer#open]
    DiskServer open(Transport transport, Export export, Path socket) {
        return switch (transport) {
            case NBD -> NbdServer.open(export, socket, pool, limits);
            case VHOST_USER -> throw new IllegalStateException("not yet");
        };
    }
}
