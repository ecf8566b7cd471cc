package io.cistern.nas.rpc;

import java.net.InetAddress;
import java.net.InetSocketAddress;

/// The connection that a call came over.
///
/// @param id unique as long as the server runs
public record RpcPeer(long id, InetSocketAddress address, Transport transport) {
    /// Sees when the connection turns to TLS, and sends callbacks nowhere: the server has no use
    /// for a back channel.
    public interface Transport {
        boolean tls();

        boolean open();
    }

    public InetAddress host() {
        return address.getAddress();
    }

    public int port() {
        return address.getPort();
    }

    public boolean tls() {
        return transport.tls();
    }
}
