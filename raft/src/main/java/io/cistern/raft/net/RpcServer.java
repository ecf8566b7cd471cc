package io.cistern.raft.net;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.ssl.SslContext;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/// Accepts connections and hands requests to the handlers of their opcodes.
///
/// Per connection it holds at most [RpcLimits#maxInFlight] requests and stops reading beyond; a
/// peer that sends what is not a frame, another cluster's id or another service, that does not
/// finish the handshake in time or does not read its answers, is disconnected.
public final class RpcServer implements RpcHandlers, AutoCloseable {
    private final RpcIdentity identity;
    private final RpcLimits limits;
    private final @Nullable SslContext ssl;
    private final RpcLoops loops;
    private final AtomicReferenceArray<@Nullable RpcHandler> handlers =
            new AtomicReferenceArray<>(256);
    private volatile boolean starting;
    private final AtomicInteger connections = new AtomicInteger();
    private final ChannelGroup channels =
            new DefaultChannelGroup(GlobalEventExecutor.INSTANCE, true);

    /// @param tls null for plaintext
    /// @throws CisternException INVALID if the TLS files cannot be used
    public RpcServer(
            RpcIdentity identity, RpcLimits limits, @Nullable TlsConfig tls, RpcLoops loops) {
        this.identity = identity;
        this.limits = limits;
        this.ssl = tls == null ? null : tls.forServer();
        this.loops = loops;
    }

    /// Sets the handler of `opcode` (0..255). May be called at any time; a request without a
    /// handler is answered with INVALID, or, between [#starting] and [#started], with UNAVAILABLE.
    ///
    /// @throws IllegalStateException if the opcode has a handler
    @Override
    public void register(int opcode, RpcHandler handler) {
        if (!handlers.compareAndSet(opcode, null, handler)) {
            throw new IllegalStateException("opcode " + opcode + " has a handler already");
        }
    }

    /// From now on an opcode without a handler is one that will have it: to be asked again.
    public void starting() {
        starting = true;
    }

    /// All handlers are there.
    public void started() {
        starting = false;
    }

    boolean isStarting() {
        return starting;
    }

    /// Listens on `address` (port 0: any free one) and returns the address bound. May be called for
    /// several addresses.
    ///
    /// @throws CisternException BUSY if the address cannot be bound
    public InetSocketAddress bind(InetSocketAddress address) {
        ChannelFuture bound =
                new ServerBootstrap()
                        .group(loops.group())
                        .channel(NioServerSocketChannel.class)
                        .option(ChannelOption.SO_REUSEADDR, true)
                        .option(ChannelOption.SO_BACKLOG, 128)
                        .childOption(ChannelOption.TCP_NODELAY, true)
                        // A peer that vanished without a word must not hold its place for good.
                        .childOption(ChannelOption.SO_KEEPALIVE, true)
                        .childHandler(
                                new ChannelInitializer<Channel>() {
                                    @Override
                                    protected void initChannel(Channel channel) {
                                        accept(channel);
                                    }
                                })
                        .bind(address)
                        .awaitUninterruptibly();
        if (!bound.isSuccess()) {
            throw new CisternException(
                    ErrorCode.BUSY,
                    "cannot listen on "
                            + address
                            + ": "
                            + bound.cause().getMessage()
                            + "; choose another address or stop what holds it",
                    bound.cause());
        }
        channels.add(bound.channel());
        return (InetSocketAddress) bound.channel().localAddress();
    }

    private void accept(Channel channel) {
        if (connections.incrementAndGet() > limits.maxConnections()) {
            connections.decrementAndGet();
            channel.close();
            return;
        }
        channel.closeFuture().addListener(closed -> connections.decrementAndGet());
        channels.add(channel);
        if (ssl != null) {
            channel.pipeline().addLast(new TlsGate(identity));
            channel.pipeline().addLast(ssl.newHandler(channel.alloc()));
        }
        // The log keeps the entries of an append.
        boolean raft = identity.service() == RpcIdentity.SERVICE_RAFT;
        channel.pipeline().addLast(new FrameDecoder(limits.maxFrameBytes(), raft));
        channel.pipeline().addLast(new ServerConnection(this, channel));
    }

    RpcIdentity identity() {
        return identity;
    }

    RpcLimits limits() {
        return limits;
    }

    @Nullable RpcHandler handler(int opcode) {
        return handlers.get(opcode);
    }

    /// Connections open now.
    public int connections() {
        return connections.get();
    }

    /// Stops listening and closes every connection. Waits up to 5 s; not for event loops.
    @Override
    public void close() {
        channels.close().awaitUninterruptibly(5, TimeUnit.SECONDS);
    }
}
