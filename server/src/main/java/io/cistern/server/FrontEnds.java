package io.cistern.server;

import io.cistern.server.config.ServerConfig;
import io.cistern.server.config.ServerConfig.IscsiConfig;
import io.cistern.server.config.ServerConfig.NfsConfig;
import io.cistern.server.iscsi.IscsiFrontEnd;
import io.cistern.server.nfs.NfsFrontEnd;
import io.cistern.volume.ClusterNode;
import io.cistern.volume.ClusterNode.Sample;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What one node serves beside its API: an iSCSI portal, an NFS server, each where configured.
final class FrontEnds implements AutoCloseable {
    private @Nullable IscsiFrontEnd iscsi;
    private @Nullable NfsFrontEnd nfs;

    /// @throws io.cistern.block.CisternException a port is taken; close what was started
    void start(ClusterNode node, ServerConfig config) {
        IscsiConfig portal = config.iscsi();
        if (portal != null) {
            iscsi = IscsiFrontEnd.start(node, portal);
        }
        NfsConfig shares = config.nfs();
        if (shares != null) {
            nfs = NfsFrontEnd.start(node, shares);
        }
    }

    List<Sample> metrics() {
        List<Sample> samples = new ArrayList<>();
        IscsiFrontEnd portal = iscsi;
        if (portal != null) {
            samples.addAll(portal.metrics());
        }
        NfsFrontEnd server = nfs;
        if (server != null) {
            samples.addAll(server.metrics());
        }
        return samples;
    }

    @Override
    public void close() {
        IscsiFrontEnd portal = iscsi;
        if (portal != null) {
            portal.close();
        }
        NfsFrontEnd server = nfs;
        if (server != null) {
            server.close();
        }
    }
}
