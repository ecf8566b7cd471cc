package io.cistern.raft.net;

import io.cistern.block.CisternException;
import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;
import io.netty.handler.ssl.SslContext;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// Calls servers: one cached connection per address ([#call]), or connections of the caller's own
/// ([#connect]) where urgent calls must not queue behind bulk data. Safe for any thread.
public final class RpcClient implements AutoCloseable {
    private final RpcIdentity identity;
    private final RpcLimits limits;
    private final @Nullable SslContext ssl;
    private final RpcLoops loops;
    private final Map<InetSocketAddress, RpcConnection> cached = new ConcurrentHashMap<>();
    private final Set<RpcConnection> all = ConcurrentHashMap.newKeySet();

    /// @param tls null for plaintext
    /// @throws CisternException INVALID if the TLS files cannot be used
    public RpcClient(
            RpcIdentity identity, RpcLimits limits, @Nullable TlsConfig tls, RpcLoops loops) {
        this.identity = identity;
        this.limits = limits;
        this.ssl = tls == null ? null : tls.forClient();
        this.loops = loops;
    }

    /// A connection of the caller's own. It connects at its first call, and again at the next call
    /// after it was lost; close it when it is of no more use.
    public RpcConnection connect(InetSocketAddress address) {
        return connect(address, loops.next());
    }

    /// As [#connect(InetSocketAddress)], on one loop of this client's [RpcLoops]: connections on
    /// the same loop never run at once.
    public RpcConnection connect(InetSocketAddress address, EventLoop loop) {
        RpcConnection connection = new RpcConnection(this, address, loop);
        all.add(connection);
        return connection;
    }

    /// [RpcConnection#call] on the cached connection to `address`.
    public CompletableFuture<ByteBuf> call(
            InetSocketAddress address, int opcode, Duration timeout, ByteBuf... parts) {
        return cached.computeIfAbsent(address, this::connect).call(opcode, timeout, parts);
    }

    RpcIdentity identity() {
        return identity;
    }

    RpcLimits limits() {
        return limits;
    }

    @Nullable SslContext ssl() {
        return ssl;
    }

    void closed(RpcConnection connection) {
        all.remove(connection);
    }

    /// Closes every connection; calls in flight fail with UNAVAILABLE.
    @Override
    public void close() {
        for (RpcConnection connection : all) {
            connection.close();
        }
        cached.clear();
    }
}
