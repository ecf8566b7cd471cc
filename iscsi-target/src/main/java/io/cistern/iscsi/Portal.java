package io.cistern.iscsi;

import io.cistern.iscsi.session.PortalMetrics;
import io.cistern.iscsi.session.PortalServer;
import io.cistern.iscsi.session.SessionInfo;
import io.netty.channel.EventLoopGroup;
import java.net.InetSocketAddress;
import java.util.List;

/// The iSCSI portals of one node: listens, and serves every target of a catalog at error recovery
/// level 0 (RFC 7143). Any thread may call any method.
public final class Portal implements AutoCloseable {
    private final PortalServer server;

    private Portal(PortalServer server) {
        this.server = server;
    }

    /// Listens on all addresses of `config`, or on none.
    ///
    /// @param loops stay the caller's; they must be of Netty's NIO transport
    /// @throws io.cistern.block.CisternException IO where an address cannot be listened on
    public static Portal open(PortalConfig config, TargetCatalog catalog, EventLoopGroup loops) {
        return new Portal(PortalServer.open(config, catalog, loops));
    }

    /// Where it listens, in the order of the configuration, with the ports that were chosen.
    public List<InetSocketAddress> addresses() {
        return server.addresses();
    }

    /// Who is logged in, discovery sessions included.
    public List<SessionInfo> sessions() {
        return server.sessions();
    }

    public PortalMetrics.Snapshot metrics() {
        return server.metrics();
    }

    /// Stops listening, asks every initiator to log out, waits for that as long as
    /// [PortalConfig.Timeouts#logout] says, and drops who is left. Blocks meanwhile.
    @Override
    public void close() {
        server.close();
    }
}
