package io.cistern.vmdisk;

import io.cistern.block.BlockDevice;
import io.cistern.vmdisk.vhost.Buffers;
import io.cistern.vmdisk.vhost.Counters;
import io.cistern.vmdisk.vhost.Target;
import io.cistern.vmdisk.vhost.VhostServer;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;

/// A device offered by vhost-user.
///
/// @param server the back end
record VhostDisk(VhostServer server) implements DiskServer {

    static VhostDisk open(Export export, Path socket, Buffers buffers) {
        SocketPath.checkFree(socket);
        BlockDevice device = export.device();
        Target target = new Target(export.name(), device, export.readOnly());
        return new VhostDisk(
                VhostServer.open(target, socket, buffers, VhostServer.defaultPollNanos()));
    }

    @Override
    public NbdMetrics.Snapshot metrics() {
        Counters.Snapshot c = server.counters();
        return new NbdMetrics.Snapshot(
                c.reads(),
                c.readBytes(),
                0,
                c.writes(),
                c.writeBytes(),
                c.flushes(),
                c.discards(),
                c.zeroes(),
                0,
                c.errors(),
                server.peer() == 0 ? 0 : 1,
                c.accepted(),
                c.refused(),
                c.protocolErrors());
    }

    @Override
    public List<Peer> peers() {
        int pid = server.peer();
        return pid == 0 ? List.of() : List.of(Peer.of(pid));
    }

    @Override
    public int resized(Predicate<Peer> which) {
        server.resized();
        return 0;
    }

    @Override
    public boolean awaitNoPeers(long millis) throws InterruptedException {
        return server.awaitNoPeer(millis);
    }

    @Override
    public void refuse() {
        server.refuse();
    }

    @Override
    public void close() {
        server.close();
    }
}
