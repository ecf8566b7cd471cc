package io.cistern.raft.net;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.DecoderException;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One connection at the server: handshake, then requests to handlers and answers back.
///
/// ```
/// HELLO --hello accepted--> OPEN --malformed, overflow, peer gone--> CLOSED
///   \--refused, timed out--------------------------------------------^
/// ```
final class ServerConnection extends ChannelInboundHandlerAdapter {
    private static final Logger LOG = LoggerFactory.getLogger(ServerConnection.class);

    private enum State {
        HELLO,
        OPEN,
        CLOSED
    }

    private final RpcServer server;
    private final RpcLimits limits;
    private final Channel channel;
    private final Outbound outbound;

    /// Requests whose answer was not given, and their bytes.
    private final AtomicInteger inFlight = new AtomicInteger();

    private final AtomicLong inFlightBytes = new AtomicLong();

    // Below: event loop only.
    private State state = State.HELLO;
    private @Nullable Future<?> handshakeTimer;

    /// Written before the first handler is called.
    private String peer = "?";

    ServerConnection(RpcServer server, Channel channel) {
        this.server = server;
        this.limits = server.limits();
        this.channel = channel;
        this.outbound = new Outbound(channel, limits.maxOutboundBytes());
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        handshakeTimer =
                ctx.executor()
                        .schedule(
                                () -> close("no handshake in " + limits.handshakeTimeout()),
                                limits.handshakeTimeout().toNanos(),
                                TimeUnit.NANOSECONDS);
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object frame) {
        switch (frame) {
            case Frame.Hello hello when state == State.HELLO -> hello(hello);
            case Frame.Message message when state == State.OPEN -> {
                try {
                    message(message);
                } finally {
                    message.payload().release();
                }
            }
            case Frame.Message message -> message.payload().release();
            default -> ReferenceCountUtil.release(frame);
        }
    }

    private void hello(Frame.Hello hello) {
        stopTimer();
        RpcIdentity self = server.identity();
        CisternException refusal = Handshake.check(self, hello);
        if (refusal != null) {
            LOG.warn("refused {}: {}", channel.remoteAddress(), refusal.getMessage());
            state = State.CLOSED;
            channel.writeAndFlush(Handshake.refusal(self, refusal).encode(channel.alloc()))
                    .addListener(ChannelFutureListener.CLOSE);
            return;
        }
        peer = hello.text();
        state = State.OPEN;
        channel.writeAndFlush(Handshake.hello(self).encode(channel.alloc()));
    }

    private void message(Frame.Message message) {
        if (message.kind() != Frame.REQUEST) {
            close("it sent an answer where only requests are expected");
            return;
        }
        int bytes = message.payload().readableBytes();
        inFlight.incrementAndGet();
        inFlightBytes.addAndGet(bytes);
        if (congested()) {
            channel.config().setAutoRead(false);
        }
        Answer answer = new Answer(message.opcode(), message.correlation(), bytes);
        RpcHandler handler = server.handler(message.opcode());
        if (handler == null) {
            String node = "node " + server.identity().node();
            answer.fail(
                    server.isStarting()
                            ? new CisternException(ErrorCode.UNAVAILABLE, node + " is starting")
                            : new CisternException(
                                    ErrorCode.INVALID,
                                    node + " knows no opcode " + message.opcode()));
            return;
        }
        try {
            handler.handle(message.payload(), answer);
        } catch (RuntimeException e) {
            answer.failedHandler(e);
        }
    }

    private boolean congested() {
        return inFlight.get() >= limits.maxInFlight()
                || inFlightBytes.get() >= limits.maxInFlightBytes();
    }

    /// Any thread.
    private void answered(int bytes) {
        boolean was = congested();
        inFlight.decrementAndGet();
        inFlightBytes.addAndGet(-bytes);
        if (was && !congested()) {
            Outbound.execute(channel, this::resume);
        }
    }

    private void resume() {
        if (!congested() && channel.isWritable()) {
            channel.config().setAutoRead(true);
        }
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext ctx) {
        if (channel.isWritable()) {
            resume();
        } else {
            channel.config().setAutoRead(false);
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        state = State.CLOSED;
        stopTimer();
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
        Throwable reason =
                cause instanceof DecoderException && cause.getCause() != null
                        ? cause.getCause()
                        : cause;
        close(String.valueOf(reason.getMessage()));
    }

    private void close(String reason) {
        if (state != State.CLOSED) {
            LOG.info(
                    "closing the connection of {} ({}): {}", peer, channel.remoteAddress(), reason);
            state = State.CLOSED;
        }
        stopTimer();
        channel.close();
    }

    private void stopTimer() {
        if (handshakeTimer != null) {
            handshakeTimer.cancel(false);
            handshakeTimer = null;
        }
    }

    /// The answer to one request; true once it was given.
    private final class Answer extends AtomicBoolean implements Responder {
        private static final long serialVersionUID = 1L;

        private final int opcode;
        private final long correlation;
        private final int requestBytes;

        Answer(int opcode, long correlation, int requestBytes) {
            this.opcode = opcode;
            this.correlation = correlation;
            this.requestBytes = requestBytes;
        }

        @Override
        public void ok(ByteBuf... parts) {
            once(parts);
            Frame.Encoded frame;
            try {
                frame = encode(Frame.RESPONSE, parts);
            } catch (CisternException tooLong) {
                frame = encode(Frame.ERROR, Frame.encodeError(channel.alloc(), tooLong));
            }
            send(frame);
        }

        @Override
        public void fail(CisternException failure) {
            once(Frame.NO_PARTS);
            send(encode(Frame.ERROR, Frame.encodeError(channel.alloc(), failure)));
        }

        void failedHandler(RuntimeException e) {
            CisternException failure = CisternException.of(e);
            if (failure.code() == ErrorCode.INTERNAL) {
                LOG.error("the handler of opcode {} failed", opcode, e);
            }
            if (!get()) {
                fail(failure);
            }
        }

        private void once(ByteBuf[] parts) {
            if (!compareAndSet(false, true)) {
                Frame.release(parts);
                throw new IllegalStateException("opcode " + opcode + " was answered twice");
            }
        }

        private Frame.Encoded encode(int kind, ByteBuf... parts) {
            Frame.Message header =
                    new Frame.Message(kind, opcode, correlation, Unpooled.EMPTY_BUFFER);
            return Frame.encode(channel.alloc(), header, limits.maxFrameBytes(), parts);
        }

        private void send(Frame.Encoded frame) {
            outbound.send(frame);
            answered(requestBytes);
        }

        @Override
        public String peer() {
            return peer;
        }
    }
}
