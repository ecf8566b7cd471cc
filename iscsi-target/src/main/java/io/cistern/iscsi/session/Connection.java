package io.cistern.iscsi.session;

import io.cistern.iscsi.PortalConfig;
import io.cistern.iscsi.pdu.Digests;
import io.cistern.iscsi.pdu.Malformed;
import io.cistern.iscsi.pdu.Pdu;
import io.cistern.iscsi.pdu.PduDecoder;
import io.cistern.iscsi.pdu.PduEncoder;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.CorruptedFrameException;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One TCP connection: codecs, timers, and the phase it is in. All of it belongs to the event loop
/// unless a method says otherwise.
///
/// ```
/// LOGIN --login complete--> FULL_FEATURE --logout, error, peer gone--> CLOSED
///   \--refused, timed out, peer gone--------------------------------------^
/// ```
final class Connection extends ChannelInboundHandlerAdapter {
    private static final Logger LOG = LoggerFactory.getLogger(Connection.class);
    private static final long TICK_MS = 1_000;

    private final Shared shared;
    private final Channel channel;
    private final PduDecoder decoder;
    private final PduEncoder encoder = new PduEncoder();
    private final Outbox out;
    private final Consumer<Connection> onClosed;
    private Phase phase;
    private volatile boolean loggedIn;
    private boolean closing;
    private boolean closed;
    private long lastReceived = System.nanoTime();
    private @Nullable Future<?> ticker;

    /// @param onClosed told once when the connection is gone
    Connection(Shared shared, Channel channel, Consumer<Connection> onClosed) {
        this.shared = shared;
        this.channel = channel;
        this.onClosed = onClosed;
        this.decoder = new PduDecoder(PduDecoder.Side.TARGET, PortalConfig.MAX_LOGIN_SEGMENT_BYTES);
        this.out = new Outbox(channel);
        this.phase = new LoginPhase(this, shared);
        channel.pipeline().addLast(decoder, encoder, this);
    }

    Channel channel() {
        return channel;
    }

    Outbox out() {
        return out;
    }

    Shared shared() {
        return shared;
    }

    /// The header of the PDU that is being handled.
    Malformed.Header header() {
        return decoder.header();
    }

    /// Whether the full feature phase was reached. Any thread may ask.
    boolean loggedIn() {
        return loggedIn;
    }

    /// Goes on as a session; its last login response has been sent.
    void enter(Phase fullFeature, Digests digests, int maxRecvSegment) {
        loggedIn = true;
        phase = fullFeature;
        encoder.digests(digests);
        decoder.limits(digests, maxRecvSegment);
    }

    /// `System.nanoTime()` when the initiator was last heard.
    long lastReceived() {
        return lastReceived;
    }

    @Override
    public void handlerAdded(ChannelHandlerContext ctx) {
        ticker =
                ctx.executor()
                        .scheduleWithFixedDelay(
                                this::tick, TICK_MS, TICK_MS, TimeUnit.MILLISECONDS);
    }

    private void tick() {
        if (!closed) {
            phase.tick(System.nanoTime());
        }
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        out.readBegins();
        if (closing) {
            if (message instanceof Pdu pdu) {
                pdu.release();
            }
            return;
        }
        lastReceived = System.nanoTime();
        switch (message) {
            case Pdu pdu -> phase.received(pdu);
            case Malformed malformed -> {
                if (malformed.kind() == Malformed.Kind.DATA_DIGEST) {
                    shared.metrics().digestErrors.increment();
                }
                phase.malformed(malformed);
            }
            default -> throw new IllegalStateException("not a PDU: " + message.getClass());
        }
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext ctx) {
        out.readEnds();
    }

    /// A peer that does not read is not read from either.
    @Override
    public void channelWritabilityChanged(ChannelHandlerContext ctx) {
        channel.config().setAutoRead(channel.isWritable());
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        cleanUp();
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
        if (cause instanceof CorruptedFrameException) {
            shared.metrics().digestErrors.increment();
        }
        if (cause instanceof RuntimeException
                && !(cause instanceof io.netty.handler.codec.DecoderException)) {
            LOG.error("{}: closing after a failure of our own", peer(), cause);
        }
        close(String.valueOf(cause.getMessage()));
    }

    /// Closes at once; what was not sent is lost.
    void close(String reason) {
        if (!closing) {
            closing = true;
            LOG.info("{}: closing: {}", peer(), reason);
        }
        cleanUp();
        channel.close();
    }

    /// Closes when everything that was sent has left, or the peer does not take it.
    void closeAfterFlush(String reason) {
        if (closing) {
            return;
        }
        closing = true;
        LOG.debug("{}: closing: {}", peer(), reason);
        cleanUp();
        channel.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(ChannelFutureListener.CLOSE);
        channel.eventLoop().schedule(() -> channel.close(), 5, TimeUnit.SECONDS);
    }

    private void cleanUp() {
        if (closed) {
            return;
        }
        closed = true;
        if (ticker != null) {
            ticker.cancel(false);
        }
        phase.closed();
        onClosed.accept(this);
    }

    boolean isClosed() {
        return closed;
    }

    /// Any thread: ends the connection as the phase sees fit.
    void shutdown(String reason) {
        execute(() -> {
            if (!closed) {
                phase.shutdown(reason);
            }
        });
    }

    /// Any thread: runs on the event loop, or not at all if that has ended.
    void execute(Runnable task) {
        if (channel.eventLoop().inEventLoop()) {
            task.run();
            return;
        }
        try {
            channel.eventLoop().execute(task);
        } catch (java.util.concurrent.RejectedExecutionException e) {
            LOG.debug("{}: the event loop has ended", peer(), e);
        }
    }

    String peer() {
        return String.valueOf(channel.remoteAddress());
    }
}
