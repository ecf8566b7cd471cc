package io.cistern.raft.ratis;

import io.cistern.raft.net.RpcClient;
import io.cistern.raft.net.RpcConnection;
import io.netty.channel.EventLoop;
import java.net.InetSocketAddress;

/// The connections to one other node, on one event loop: log entries on the one, and on the other
/// all that is short and must not wait behind them.
record PeerLink(RpcConnection bulk, RpcConnection urgent) {
    static PeerLink open(RpcClient client, InetSocketAddress address, EventLoop loop) {
        return new PeerLink(client.connect(address, loop), client.connect(address, loop));
    }

    EventLoop loop() {
        return bulk.loop();
    }

    /// Nothing gets through: start anew.
    void reset() {
        bulk.reset();
        urgent.reset();
    }
}
