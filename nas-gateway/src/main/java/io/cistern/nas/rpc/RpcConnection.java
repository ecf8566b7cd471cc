package io.cistern.nas.rpc;

import io.cistern.nas.rpc.RpcException.Answer;
import io.cistern.nas.rpc.RpcProgram.Rest;
import io.cistern.nas.xdr.XdrException;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.CompositeByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.timeout.IdleStateEvent;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One client's connection: takes calls, begins them, has what is left of them carried out in
/// parallel, sends the replies as they come. Where too many calls or too many bytes are under way,
/// or the client does not read its replies, it stops reading from the socket until that is over.
///
/// Its fields belong to the event loop.
final class RpcConnection extends ChannelInboundHandlerAdapter implements RpcPeer.Transport {
    private static final Logger LOG = LoggerFactory.getLogger(RpcConnection.class);
    private static final int LAST_FRAGMENT = 1 << 31;

    /// The record's header and that of a reply with a result.
    private static final int HEAD_BYTES = 4 + RpcHeader.SUCCESS_BYTES;

    /// Calls to the client that it has not answered.
    private static final int MAX_CALLBACKS = 64;

    /// Longest reply to one of them that is looked at.
    private static final int MAX_CALLBACK_BYTES = 64 << 10;

    /// A result up to that is copied behind its header.
    private static final int MAX_COPIED_BYTES = 4_096;

    /// Bytes written after which the client gets them, whatever comes next.
    private static final int FLUSH_BYTES = 256 << 10;

    private final RpcServer server;
    private final RecordDecoder decoder;
    private final ArrayDeque<ByteBuf> waiting = new ArrayDeque<>();
    private final Map<Integer, CompletableFuture<byte[]>> callbacks = new LinkedHashMap<>();
    private int nextXid = 1;
    private @Nullable Channel channel;
    private @Nullable RpcPeer peer;
    private int inFlight;
    private long heldBytes;
    private boolean reading;
    private boolean flushing;
    private int unflushed;
    private boolean draining;
    private boolean paused;
    private volatile boolean tls;

    RpcConnection(RpcServer server, RecordDecoder decoder) {
        this.server = server;
        this.decoder = decoder;
    }

    @Override
    public boolean tls() {
        return tls;
    }

    @Override
    public boolean open() {
        Channel c = channel;
        return c != null && c.isActive();
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        channel = ctx.channel();
        peer =
                new RpcPeer(
                        server.nextConnectionId(),
                        (InetSocketAddress) ctx.channel().remoteAddress(),
                        this);
        if (!server.admit(ctx.channel())) {
            LOG.warn("{}: too many connections; closed", peer.address());
            ctx.close();
        }
    }

    @Override
    public CompletableFuture<byte[]> call(Callback callback) {
        CompletableFuture<byte[]> result = new CompletableFuture<>();
        try {
            channel().eventLoop().execute(() -> sendCallback(callback, result));
        } catch (RejectedExecutionException e) {
            result.completeExceptionally(new IOException("the server is stopping", e));
        }
        return result;
    }

    private void sendCallback(Callback callback, CompletableFuture<byte[]> result) {
        if (!channel().isActive() || callbacks.size() >= MAX_CALLBACKS) {
            result.completeExceptionally(new IOException("no callback possible here now"));
            return;
        }
        int xid = nextXid++;
        callbacks.put(xid, result);
        ByteBuf out = newFrame(256);
        out.writeInt(xid).writeInt(RpcHeader.CALL).writeInt(RpcHeader.RPC_VERSION);
        out.writeInt(callback.program()).writeInt(callback.version());
        out.writeInt(callback.procedure()).writeInt(callback.flavor());
        out.writeInt(callback.credential().length).writeBytes(callback.credential());
        out.writeInt(Credential.FLAVOR_NONE).writeInt(0);
        try (XdrWriter arguments = new XdrWriter(channel().alloc())) {
            callback.arguments().accept(arguments);
            ByteBuf bytes = arguments.take();
            out.writeBytes(bytes);
            bytes.release();
        }
        server.stats().callbacks.increment();
        send(endFrame(out));
    }

    /// A client's answer to a callback.
    private void callbackReply(int xid, XdrReader in) {
        CompletableFuture<byte[]> result = callbacks.remove(xid);
        if (result == null) {
            return; // given up, or never asked
        }
        try {
            int denied = in.readInt();
            if (denied == 0) {
                RpcHeader.OpaqueAuth.read(in);
            }
            if (denied != 0 || in.readInt() != 0 || in.remaining() > MAX_CALLBACK_BYTES) {
                throw new RpcException(Answer.SYSTEM_ERR, "the client refused a callback");
            }
            result.complete(in.readFixed(in.remaining() & ~3));
        } catch (XdrException | RpcException e) {
            result.completeExceptionally(e);
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        waiting.forEach(ByteBuf::release);
        waiting.clear();
        server.unparked(this);
        List<CompletableFuture<byte[]>> unanswered = List.copyOf(callbacks.values());
        callbacks.clear();
        unanswered.forEach(f -> f.completeExceptionally(new IOException("connection ended")));
        if (peer != null) {
            server.disconnected(ctx.channel(), peer);
        }
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        ByteBuf record = (ByteBuf) message;
        reading = true;
        server.stats().receivedBytes.add(record.readableBytes());
        if (!callbacks.isEmpty() && isReply(record)) {
            start(record); // at once: calls that wait may wait for it
            return;
        }
        waiting.addLast(record);
        drain();
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext ctx) {
        reading = false;
        if (unflushed > 0) {
            flush();
        }
    }

    private static boolean isReply(ByteBuf record) {
        return record.readableBytes() >= 8
                && record.getInt(record.readerIndex() + 4) == RpcHeader.REPLY;
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext ctx) {
        drain();
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
        if (event instanceof IdleStateEvent && inFlight == 0) {
            ctx.close();
        } else if (!(event instanceof IdleStateEvent)) {
            ctx.fireUserEventTriggered(event);
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
        if (cause instanceof IOException || cause.getCause() instanceof IOException) {
            LOG.debug("{}: connection ended", ctx.channel().remoteAddress(), cause);
        } else {
            LOG.warn("{}: connection closed", ctx.channel().remoteAddress(), cause);
        }
        ctx.close();
    }

    private Channel channel() {
        Channel c = channel;
        if (c == null) {
            throw new IllegalStateException("not connected yet");
        }
        return c;
    }

    private boolean mayStart() {
        RpcLimits limits = server.limits();
        return inFlight < limits.maxInFlight()
                && heldBytes < limits.budgetBytes()
                && channel().isWritable();
    }

    /// Whether all connections together leave room for another call; where not, this one is told
    /// when they do.
    private boolean serverHasRoom() {
        if (server.hasRoom()) {
            return true;
        }
        server.park(this);
        return server.hasRoom(); // asked again: what made room may have come before the entry
    }

    /// The server has room again.
    void unpark() {
        try {
            channel().eventLoop().execute(this::drain);
        } catch (RejectedExecutionException e) {
            LOG.debug("the server is stopping", e);
        }
    }

    private void drain() {
        if (draining) {
            return; // what this call is about is looked at before the other ends
        }
        draining = true;
        try {
            while (!waiting.isEmpty() && mayStart() && channel().isActive() && serverHasRoom()) {
                start(waiting.removeFirst());
            }
        } finally {
            draining = false;
        }
        boolean pause = !waiting.isEmpty() || !mayStart();
        if (pause != paused) {
            paused = pause;
            if (pause) {
                server.stats().throttled.increment();
            }
            channel().config().setAutoRead(!pause);
        }
    }

    private void start(ByteBuf record) {
        server.stats().calls.increment();
        XdrReader in = new XdrReader(record);
        int xid;
        RpcCall call;
        try {
            xid = in.readInt();
            int type = in.readInt();
            if (type != RpcHeader.CALL) {
                if (type == RpcHeader.REPLY) {
                    callbackReply(xid, in);
                }
                record.release();
                return;
            }
        } catch (XdrException e) {
            malformed(record, e);
            return;
        }
        try {
            call = header(xid, in, record);
        } catch (XdrException e) {
            server.stats().malformed.increment();
            reply(record, out -> RpcHeader.failure(out, xid, Answer.GARBAGE_ARGS, 0, 0));
            return;
        } catch (RpcException e) {
            server.stats().refused.increment();
            reply(record, out -> RpcHeader.failure(out, xid, e.answer(), 0, 0));
            return;
        }
        if (call != null) {
            dispatch(call);
        }
    }

    /// A message whose sender cannot even be told what is wrong with it.
    private void malformed(ByteBuf record, XdrException e) {
        server.stats().malformed.increment();
        record.release();
        LOG.debug("{}: not an RPC message: {}", peer, e.getMessage());
        channel().close();
    }

    private @Nullable RpcCall header(int xid, XdrReader in, ByteBuf record) {
        if (in.readInt() != RpcHeader.RPC_VERSION) {
            server.stats().refused.increment();
            reply(record, out -> RpcHeader.rpcMismatch(out, xid));
            return null;
        }
        int program = in.readInt();
        int version = in.readInt();
        int procedure = in.readInt();
        RpcHeader.OpaqueAuth cred = RpcHeader.OpaqueAuth.read(in);
        RpcHeader.OpaqueAuth verifier = RpcHeader.OpaqueAuth.read(in);
        if (cred.flavor() == Credential.FLAVOR_TLS) {
            startTls(xid, procedure, record);
            return null;
        }
        Credential credential = RpcHeader.credential(cred, verifier);
        RpcPeer from = peer;
        if (from == null) {
            throw new IllegalStateException("not connected yet");
        }
        return new RpcCall(xid, program, version, procedure, credential, from, record, true);
    }

    private void startTls(int xid, int procedure, ByteBuf record) {
        if (procedure != 0 || server.tls() == null || tls) {
            throw new RpcException(Answer.AUTH_BADCRED, "AUTH_TLS not possible here");
        }
        record.release();
        if (!waiting.isEmpty() || inFlight > 0 || decoder.pendingBytes() > 0) {
            // Plain text that would be taken for what came through TLS.
            channel().close();
            return;
        }
        ByteBuf out = channel().alloc().buffer(64);
        out.writeInt(0);
        RpcHeader.startTls(out, xid);
        out.setInt(0, (out.readableBytes() - 4) | LAST_FRAGMENT);
        channel().writeAndFlush(out);
        SslHandler handler = server.newTlsHandler(channel().alloc());
        handler.handshakeFuture()
                .addListener(f -> {
                    if (!f.isSuccess()) {
                        LOG.info("{}: TLS failed: {}", peer, f.cause().getMessage());
                        channel().close();
                    }
                });
        channel().pipeline().addFirst("tls", handler);
        tls = true;
    }

    private void dispatch(RpcCall call) {
        RpcProgram program = server.program(call.program());
        int xid = call.xid();
        if (program == null) {
            server.stats().refused.increment();
            reply(call.record(), out -> RpcHeader.failure(out, xid, Answer.PROG_UNAVAIL, 0, 0));
            return;
        }
        if (Integer.compareUnsigned(call.version(), program.lowestVersion()) < 0
                || Integer.compareUnsigned(call.version(), program.highestVersion()) > 0) {
            mismatch(call, program);
            return;
        }
        First first = new First(program, call);
        ByteBuf answer = run(program, call, first);
        Rest rest = first.rest;
        if (rest != null) {
            handOver(program, call, rest);
            return;
        }
        call.record().release();
        if (answer != null) {
            send(answer);
        }
    }

    /// What of a call is carried out on the event loop.
    private static final class First implements Rest {
        private final RpcProgram program;
        private final RpcCall call;
        @Nullable Rest rest;

        First(RpcProgram program, RpcCall call) {
            this.program = program;
            this.call = call;
        }

        @Override
        public boolean run(XdrWriter result) {
            rest = program.begin(call, result);
            return rest == null;
        }
    }

    private void handOver(RpcProgram program, RpcCall call, Rest rest) {
        int bytes = call.record().readableBytes();
        inFlight++;
        heldBytes += bytes;
        server.took(bytes);
        try {
            server.executor().execute(() -> carryOut(program, call, rest, bytes));
        } catch (RejectedExecutionException e) {
            rest.abandon(); // the server is stopping
            call.record().release();
            inFlight--;
            heldBytes -= bytes;
            server.gave(bytes);
            channel().close();
        }
    }

    private void mismatch(RpcCall call, RpcProgram program) {
        server.stats().refused.increment();
        reply(
                call.record(),
                out ->
                        RpcHeader.failure(
                                out,
                                call.xid(),
                                Answer.PROG_MISMATCH,
                                program.lowestVersion(),
                                program.highestVersion()));
    }

    /// On a virtual thread.
    private void carryOut(RpcProgram program, RpcCall call, Rest rest, int bytes) {
        ByteBuf answer = null;
        try {
            answer = run(program, call, rest);
        } finally {
            call.record().release();
            server.gave(bytes);
            ByteBuf toSend = answer;
            channel().eventLoop().execute(() -> finish(toSend, bytes));
        }
    }

    private @Nullable ByteBuf run(RpcProgram program, RpcCall call, Rest rest) {
        Answer answer;
        try (XdrWriter result = new XdrWriter(channel().alloc(), HEAD_BYTES)) {
            if (!rest.run(result)) {
                return null;
            }
            return frame(call.xid(), result.take());
        } catch (XdrException e) {
            server.stats().malformed.increment();
            LOG.debug("{}: arguments do not decode: {}", call.peer(), e.getMessage());
            answer = Answer.GARBAGE_ARGS;
        } catch (RpcException e) {
            if (e.answer() == Answer.PROG_MISMATCH) {
                ByteBuf out = newFrame(64);
                RpcHeader.failure(
                        out,
                        call.xid(),
                        e.answer(),
                        program.lowestVersion(),
                        program.highestVersion());
                return endFrame(out);
            }
            server.stats().refused.increment();
            answer = e.answer();
        } catch (RuntimeException e) {
            server.stats().failed.increment();
            LOG.error(
                    "{}: program {} version {} procedure {} failed",
                    call.peer(),
                    call.program(),
                    call.version(),
                    call.procedure(),
                    e);
            answer = Answer.SYSTEM_ERR;
        }
        ByteBuf out = newFrame(64);
        RpcHeader.failure(out, call.xid(), answer, 0, 0);
        return endFrame(out);
    }

    private ByteBuf newFrame(int capacity) {
        return channel().alloc().buffer(capacity).writeInt(0);
    }

    private static ByteBuf endFrame(ByteBuf frame) {
        return frame.setInt(0, (frame.readableBytes() - 4) | LAST_FRAGMENT);
    }

    private ByteBuf frame(int xid, ByteBuf result) {
        if (result.readerIndex() == HEAD_BYTES && !(result instanceof CompositeByteBuf)) {
            int end = result.writerIndex();
            result.setIndex(0, 0).writeInt(end - 4 | LAST_FRAGMENT);
            RpcHeader.success(result, xid);
            return result.writerIndex(end);
        }
        ByteBuf head = newFrame(HEAD_BYTES);
        RpcHeader.success(head, xid);
        head.setInt(0, (head.readableBytes() - 4 + result.readableBytes()) | LAST_FRAGMENT);
        if (result.readableBytes() <= MAX_COPIED_BYTES) {
            head.writeBytes(result);
            result.release();
            return head;
        }
        CompositeByteBuf all = channel().alloc().compositeBuffer(64);
        all.addComponent(true, head);
        if (result instanceof CompositeByteBuf parts) {
            all.addFlattenedComponents(true, parts);
        } else {
            all.addComponent(true, result);
        }
        return all;
    }

    private void finish(@Nullable ByteBuf answer, int callBytes) {
        inFlight--;
        heldBytes -= callBytes;
        if (answer != null) {
            send(answer);
        }
        drain();
    }

    private void reply(ByteBuf record, java.util.function.Consumer<ByteBuf> header) {
        record.release();
        ByteBuf out = newFrame(64);
        header.accept(out);
        send(endFrame(out));
    }

    private void send(ByteBuf answer) {
        int bytes = answer.readableBytes();
        heldBytes += bytes;
        server.stats().sentBytes.add(bytes);
        channel()
                .write(answer)
                .addListener(f -> {
                    heldBytes -= bytes;
                    drain();
                });
        unflushed += bytes;
        if (unflushed >= FLUSH_BYTES) {
            flush();
        } else if (!reading && !flushing) {
            flushing = true;
            channel()
                    .eventLoop()
                    .execute(() -> {
                        flushing = false;
                        flush();
                    });
        }
    }

    private void flush() {
        unflushed = 0;
        channel().flush();
    }
}
