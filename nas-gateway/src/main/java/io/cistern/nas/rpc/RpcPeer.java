package io.cistern.nas.rpc;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.CompletableFuture;

/// The connection that a call came over.
///
/// @param id unique as long as the server runs
public record RpcPeer(long id, InetSocketAddress address, Transport transport) {
    /// The connection itself. Any thread.
    public interface Transport {
        /// Whether the connection has turned to TLS.
        boolean tls();

        boolean open();

        /// Calls the client back over its own connection.
        ///
        /// @return the result's bytes; fails with [RpcException] where the reply is no success,
        ///   with [java.io.IOException] where the connection ended or too many calls are waiting
        ///   for their replies. A client that does not answer leaves it open as long as the
        ///   connection lasts.
        CompletableFuture<byte[]> call(Callback callback);
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
