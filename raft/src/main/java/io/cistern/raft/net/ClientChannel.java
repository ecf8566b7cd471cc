package io.cistern.raft.net;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.handler.codec.DecoderException;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.net.InetSocketAddress;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/// One try of an [RpcConnection]: connects, says hello, and from then on hands answers to it. Tells
/// it exactly once when it is over. Event loop only.
final class ClientChannel extends ChannelInboundHandlerAdapter {
    private final RpcConnection owner;
    private final RpcClient client;
    private final EventLoop loop;
    private final WriteTurn turn = new WriteTurn();
    private @Nullable Channel channel;
    private @Nullable Future<?> handshakeTimer;
    private String where = "";
    private boolean open;
    private boolean over;

    ClientChannel(RpcConnection owner, RpcClient client, EventLoop loop) {
        this.owner = owner;
        this.client = client;
        this.loop = loop;
    }

    /// The channel; only once the connection is open.
    Channel channel() {
        if (channel == null) {
            throw new IllegalStateException("not connected");
        }
        return channel;
    }

    /// Who may write to the channel once it is open.
    WriteTurn turn() {
        return turn;
    }

    /// The channel, where threads may write to it by themselves: bytes go to the socket as they
    /// are.
    @Nullable DirectSocketChannel direct() {
        return client.ssl() == null && channel instanceof DirectSocketChannel d ? d : null;
    }

    void connect(InetSocketAddress address) {
        where = address.getHostString() + ":" + address.getPort();
        handshakeTimer =
                loop.schedule(
                        () ->
                                lost(
                                        ErrorCode.UNAVAILABLE,
                                        "no handshake in " + client.limits().handshakeTimeout()),
                        client.limits().handshakeTimeout().toNanos(),
                        TimeUnit.NANOSECONDS);
        if (!address.isUnresolved()) {
            connectTo(address);
            return;
        }
        // Looking a name up blocks.
        Thread.startVirtualThread(() -> {
            InetSocketAddress resolved =
                    new InetSocketAddress(address.getHostString(), address.getPort());
            try {
                loop.execute(() -> connectTo(resolved));
            } catch (RejectedExecutionException stopped) {
                // The loops were closed meanwhile, and every call with them.
                return;
            }
        });
    }

    private void connectTo(InetSocketAddress address) {
        if (over) {
            return;
        }
        if (address.isUnresolved()) {
            lost(ErrorCode.UNAVAILABLE, "the host name is unknown");
            return;
        }
        ChannelFuture connecting =
                new Bootstrap()
                        .group(loop)
                        .channelFactory(DirectSocketChannel::new)
                        .option(ChannelOption.TCP_NODELAY, true)
                        .option(
                                ChannelOption.CONNECT_TIMEOUT_MILLIS,
                                Math.toIntExact(client.limits().handshakeTimeout().toMillis()))
                        .handler(
                                new ChannelInitializer<Channel>() {
                                    @Override
                                    protected void initChannel(Channel ch) {
                                        init(ch);
                                    }
                                })
                        .connect(address);
        channel = connecting.channel();
        connecting.addListener(done -> {
            if (!done.isSuccess()) {
                lost(ErrorCode.UNAVAILABLE, String.valueOf(done.cause().getMessage()));
            }
        });
    }

    private void init(Channel ch) {
        if (client.ssl() != null) {
            ch.pipeline().addLast(client.ssl().newHandler(ch.alloc()));
        }
        ch.pipeline().addLast(new FrameDecoder(client.limits().maxFrameBytes(), false));
        ch.pipeline().addLast(this);
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        ctx.writeAndFlush(Handshake.hello(client.identity()).encode(ctx.alloc()));
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object frame) {
        switch (frame) {
            case Frame.Hello hello when !open && !over -> hello(hello);
            case Frame.Message message when open && message.kind() != Frame.REQUEST ->
                    owner.answer(this, message);
            case Frame.Message message -> {
                message.payload().release();
                lost(ErrorCode.UNAVAILABLE, "the peer sent a request where an answer is expected");
            }
            default -> ReferenceCountUtil.release(frame);
        }
    }

    private void hello(Frame.Hello hello) {
        CisternException refusal = Handshake.check(client.identity(), hello);
        if (refusal != null) {
            lost(refusal.code(), String.valueOf(refusal.getMessage()));
            return;
        }
        stopTimer();
        open = true;
        owner.opened(this);
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        lost(ErrorCode.UNAVAILABLE, "the peer closed the connection");
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
        Throwable reason =
                cause instanceof DecoderException && cause.getCause() != null
                        ? cause.getCause()
                        : cause;
        if (reason instanceof SSLException) {
            lost(
                    ErrorCode.UNAUTHORIZED,
                    "TLS failed (" + reason.getMessage() + "); check the certificates of both");
        } else {
            lost(ErrorCode.UNAVAILABLE, String.valueOf(reason.getMessage()));
        }
    }

    private void lost(ErrorCode code, String why) {
        if (over) {
            return;
        }
        over = true;
        close();
        owner.lost(this, new CisternException(code, "cannot reach " + where + ": " + why));
    }

    void reset() {
        lost(ErrorCode.UNAVAILABLE, "no answers; connecting anew");
    }

    void close() {
        over = true;
        stopTimer();
        if (channel != null) {
            channel.close();
        }
    }

    private void stopTimer() {
        if (handshakeTimer != null) {
            handshakeTimer.cancel(false);
            handshakeTimer = null;
        }
    }
}
