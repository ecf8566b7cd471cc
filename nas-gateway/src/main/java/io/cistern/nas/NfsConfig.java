package io.cistern.nas;

import io.cistern.nas.rpc.RpcLimits;
import io.cistern.nas.share.HandleCodec;
import io.cistern.nas.state.StateLimits;
import io.netty.handler.ssl.ApplicationProtocolConfig;
import io.netty.handler.ssl.ApplicationProtocolConfig.Protocol;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectedListenerFailureBehavior;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectorFailureBehavior;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import java.net.InetSocketAddress;
import java.util.List;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/// How an NFS server runs.
///
/// @param addresses TCP, where NFS and MOUNT are served together
/// @param portmapper where a portmapper is served too; null: none, clients name the ports
/// @param serverId names this node; unique in the cluster
/// @param scope names the cluster: file handles are good on all servers of a scope (RFC 8881
///   section 2.10.4)
/// @param handleKey 16 bytes that file handles are checked with; the same on every node
/// @param tls what RPC over TLS is offered with; null: not offered
/// @param ioThreads event loops
/// @param cachedReplies how many NFSv3 replies are remembered for repetitions
public record NfsConfig(
        List<InetSocketAddress> addresses,
        @Nullable InetSocketAddress portmapper,
        String serverId,
        String scope,
        byte[] handleKey,
        @Nullable SslContext tls,
        RpcLimits rpc,
        StateLimits state,
        int ioThreads,
        int cachedReplies) {

    private static final int CACHED_REPLIES = 8_192;

    public NfsConfig {
        addresses = List.copyOf(addresses);
        handleKey = handleKey.clone();
    }

    /// The defaults, on one address.
    public static NfsConfig of(InetSocketAddress address, String serverId, String scope) {
        return new NfsConfig(
                List.of(address),
                null,
                serverId,
                scope,
                HandleCodec.keyFrom(scope),
                null,
                RpcLimits.DEFAULT,
                StateLimits.DEFAULT,
                2,
                CACHED_REPLIES);
    }

    public NfsConfig withState(StateLimits limits) {
        return new NfsConfig(
                addresses,
                portmapper,
                serverId,
                scope,
                handleKey,
                tls,
                rpc,
                limits,
                ioThreads,
                cachedReplies);
    }

    public NfsConfig withRpc(RpcLimits limits) {
        return new NfsConfig(
                addresses,
                portmapper,
                serverId,
                scope,
                handleKey,
                tls,
                limits,
                state,
                ioThreads,
                cachedReplies);
    }

    public NfsConfig withAddresses(List<InetSocketAddress> wanted) {
        return new NfsConfig(
                wanted,
                portmapper,
                serverId,
                scope,
                handleKey,
                tls,
                rpc,
                state,
                ioThreads,
                cachedReplies);
    }

    public NfsConfig withPortmapper(@Nullable InetSocketAddress address) {
        return new NfsConfig(
                addresses,
                address,
                serverId,
                scope,
                handleKey,
                tls,
                rpc,
                state,
                ioThreads,
                cachedReplies);
    }

    /// TLS as RFC 9289 wants it: version 1.3, agreeing with clients that name `sunrpc` as what they
    /// will speak (ALPN). Those that name nothing are served, too.
    ///
    /// @throws SSLException the certificate or its key cannot be used
    public static SslContext tlsFor(SslContextBuilder certificate) throws SSLException {
        return certificate
                .protocols("TLSv1.3")
                .applicationProtocolConfig(
                        new ApplicationProtocolConfig(
                                Protocol.ALPN,
                                SelectorFailureBehavior.NO_ADVERTISE,
                                SelectedListenerFailureBehavior.ACCEPT,
                                "sunrpc"))
                .build();
    }

    public NfsConfig withTls(@Nullable SslContext context) {
        return new NfsConfig(
                addresses,
                portmapper,
                serverId,
                scope,
                handleKey,
                context,
                rpc,
                state,
                ioThreads,
                cachedReplies);
    }

    @Override
    public boolean equals(Object o) {
        return this == o;
    }

    @Override
    public int hashCode() {
        return System.identityHashCode(this);
    }
}
