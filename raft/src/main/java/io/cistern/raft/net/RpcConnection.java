package io.cistern.raft.net;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.netty.util.collection.LongObjectHashMap;
import io.netty.util.collection.LongObjectMap;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/// A pipelined connection to one server. Calls may be made from any thread; those of one thread
/// reach the server's handlers in their order, as long as the connection lasts.
///
/// A call made while no other is in flight is written to the socket by the thread that makes it: to
/// wake the event loop for it would cost more than the call, and there is nothing to gather. All
/// others queue for the loop, which writes what has come together with one flush.
///
/// ```
/// IDLE --first call--> CONNECTING --handshake done--> OPEN
///   ^---- failed: next try after 20 .. 250 ms ---'     |
///   ^---------------------- lost: next try at once -----'      any --close()--> CLOSED
/// ```
public final class RpcConnection implements RpcChannel {
    private static final long MIN_BACKOFF_NANOS = TimeUnit.MILLISECONDS.toNanos(20);
    private static final long MAX_BACKOFF_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

    /// Time-outs are noticed with this resolution.
    private static final long TIMER_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    private enum State {
        IDLE,
        CONNECTING,
        OPEN,
        CLOSED
    }

    private final RpcClient client;
    private final RpcLimits limits;
    private final InetSocketAddress address;
    private final EventLoop loop;

    private final Queue<Call> submitted = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean scheduled = new AtomicBoolean();
    private final AtomicInteger inFlight = new AtomicInteger();
    private final AtomicLong inFlightBytes = new AtomicLong();
    private final AtomicLong correlations = new AtomicLong();

    /// The channel that a lone call may be written to; null while there is none.
    private volatile @Nullable ClientChannel direct;

    /// The call that was written by its own thread and is not answered. There is one at most: it
    /// began when no other was in flight. Whoever takes it from here completes it.
    private final AtomicReference<@Nullable Call> alone = new AtomicReference<>();

    /// True while the timer runs; it fires no later than at [#timerAtNanos].
    private volatile boolean armed;

    private volatile long timerAtNanos;

    // Below: event loop only.
    private State state = State.IDLE;
    private @Nullable ClientChannel current;
    private final LongObjectMap<Call> pending = new LongObjectHashMap<>();

    /// Calls that wait for the handshake, in order; those that timed out have no frame any more.
    private final Deque<Call> waiting = new ArrayDeque<>();

    private long backoffNanos;
    private long retryAtNanos = System.nanoTime();
    private CisternException lastFailure = new CisternException(ErrorCode.UNAVAILABLE, "");
    private @Nullable Future<?> timer;

    RpcConnection(RpcClient client, InetSocketAddress address, EventLoop loop) {
        this.client = client;
        this.limits = client.limits();
        this.address = address;
        this.loop = loop;
    }

    /// Sends a request and completes, on this connection's event loop, with the payload of the
    /// answer, which the receiver releases.
    ///
    /// Fails with LIMIT where too much is in flight or the request is too long (never sent then);
    /// with UNAVAILABLE where there is no connection, it broke, or no answer came in `timeout` (the
    /// request may have been served); else with the server's own error.
    ///
    /// @param opcode 0..255
    /// @param timeout from now to the answer, connecting included; resolution 5 ms
    /// @param parts the payload is their concatenation; they belong to the connection from here on,
    ///   also where the call fails
    @Override
    public CompletableFuture<ByteBuf> call(int opcode, Duration timeout, ByteBuf... parts) {
        long payload = Frame.bytes(parts);
        int count = inFlight.incrementAndGet();
        long bytes = inFlightBytes.addAndGet(payload);
        if (count > limits.maxInFlight() || bytes > limits.maxInFlightBytes()) {
            released(payload);
            Frame.release(parts);
            return CompletableFuture.failedFuture(limit(count, bytes));
        }
        Call call;
        try {
            long id = correlations.incrementAndGet();
            Frame.Message header =
                    new Frame.Message(Frame.REQUEST, opcode, id, Unpooled.EMPTY_BUFFER);
            Frame.Encoded frame =
                    Frame.encode(ByteBufAllocator.DEFAULT, header, limits.maxFrameBytes(), parts);
            call = new Call(id, payload, System.nanoTime() + timeout.toNanos(), frame);
        } catch (CisternException tooLong) {
            released(payload);
            return CompletableFuture.failedFuture(tooLong);
        }
        if (count == 1 && sendAlone(call)) {
            return call.future;
        }
        submitted.add(call);
        if (scheduled.compareAndSet(false, true) && !execute(this::drain)) {
            for (Call c = submitted.poll(); c != null; c = submitted.poll()) {
                fail(c, ErrorCode.UNAVAILABLE, "the event loops have been stopped");
            }
        }
        return call.future;
    }

    private CisternException limit(int count, long bytes) {
        return new CisternException(
                ErrorCode.LIMIT,
                count
                        + " calls with "
                        + bytes
                        + " bytes in flight to "
                        + address
                        + ", more than allowed; wait for answers");
    }

    private void released(long payload) {
        inFlight.decrementAndGet();
        inFlightBytes.addAndGet(-payload);
    }

    private boolean execute(Runnable task) {
        try {
            loop.execute(task);
            return true;
        } catch (RejectedExecutionException stopped) {
            return false;
        }
    }

    // ---- a call that is alone

    /// Writes a call that began while no other was in flight. By the thread that makes it.
    ///
    /// @return false where it has to be queued
    private boolean sendAlone(Call call) {
        ClientChannel open = direct;
        Frame.Encoded frame = call.frame;
        if (open == null
                || frame == null
                || frame.bytes() > limits.maxOutboundBytes()
                || loop.inEventLoop()
                || !open.turn().tryTake()) {
            return false;
        }
        call.frame = null;
        alone.set(call);
        // Either this thread sees that the channel is gone, or whoever drops it sees the call.
        long written = direct == open ? writeNow(open, frame) : -1;
        if (written == frame.bytes()) {
            frame.release();
            giveBack(open);
        } else if (written >= 0) {
            finishWriting(open, frame, (int) written);
        } else if (alone.compareAndSet(call, null)) {
            call.frame = frame;
            giveBack(open);
            return false;
        } else {
            frame.release();
            giveBack(open);
            return true;
        }
        // Either this thread sees that the timer has fired, or the timer sees the call.
        if (!armed || timerAtNanos - call.deadlineNanos > 0) {
            execute(() -> arm(call.deadlineNanos));
        }
        return true;
    }

    /// @return bytes written; -1 where the connection is closed or broken, which the loop finds out
    ///   by itself
    private static long writeNow(ClientChannel open, Frame.Encoded frame) {
        DirectSocketChannel socket = open.direct();
        if (socket == null) {
            return -1;
        }
        try {
            return socket.writeNow(frame.buffers());
        } catch (IOException broken) {
            return -1;
        }
    }

    private void giveBack(ClientChannel open) {
        if (open.turn().giveBack()) {
            execute(this::drain);
        }
    }

    /// Lets the loop write what the socket did not take. Nobody else writes before.
    private void finishWriting(ClientChannel open, Frame.Encoded frame, int written) {
        boolean handed =
                execute(() -> {
                    open.turn().handedToLoop();
                    if (open == current) {
                        frame.skip(written);
                        Outbound.write(open.channel(), frame);
                        flush(open);
                    } else {
                        frame.release();
                        open.turn().loopIsDone();
                    }
                    drain();
                });
        if (!handed) {
            frame.release();
        }
    }

    // ---- calls that queue

    /// Everything submitted since the last tick, with one flush.
    private void drain() {
        ClientChannel open = state == State.OPEN ? current : null;
        if (open != null && !open.turn().takeForLoop()) {
            // Whoever writes a call by itself now has this run again.
            return;
        }
        scheduled.set(false);
        for (Call call = submitted.poll(); call != null; call = submitted.poll()) {
            start(call);
        }
        if (open != null) {
            flush(open);
        }
    }

    /// With the turn to write, which is given up where the socket takes all.
    private static void flush(ClientChannel open) {
        open.channel().flush();
        if (Outbound.waitingBytes(open.channel()) == 0) {
            open.turn().loopIsDone();
        }
    }

    private void start(Call call) {
        if (state == State.CLOSED) {
            fail(call, ErrorCode.UNAVAILABLE, "the connection to " + address + " was closed");
            return;
        }
        if (state == State.IDLE && System.nanoTime() - retryAtNanos < 0) {
            fail(call, lastFailure.code(), String.valueOf(lastFailure.getMessage()));
            return;
        }
        pending.put(call.id, call);
        arm(call.deadlineNanos);
        if (state == State.OPEN && current != null) {
            write(current.channel(), call);
            return;
        }
        waiting.add(call);
        if (state == State.IDLE) {
            state = State.CONNECTING;
            current = new ClientChannel(this, client, loop);
            current.connect(address);
        }
    }

    private void write(Channel channel, Call call) {
        Frame.Encoded frame = call.frame;
        if (frame == null) {
            return;
        }
        if (Outbound.waitingBytes(channel) + frame.bytes() > limits.maxOutboundBytes()) {
            pending.remove(call.id);
            fail(call, ErrorCode.LIMIT, address + " does not take what waits for it");
            return;
        }
        call.frame = null;
        Outbound.write(channel, frame);
    }

    // ---- from ClientChannel, on the event loop

    void opened(ClientChannel channel) {
        if (channel != current || state != State.CONNECTING) {
            return;
        }
        state = State.OPEN;
        backoffNanos = 0;
        channel.turn().takeForLoop();
        for (Call call = waiting.poll(); call != null; call = waiting.poll()) {
            write(channel.channel(), call);
        }
        flush(channel);
        direct = channel.direct() == null ? null : channel;
    }

    void answer(ClientChannel channel, Frame.Message message) {
        Call call = channel == current ? asked(message.correlation()) : null;
        if (call == null) {
            message.payload().release();
        } else if (message.kind() == Frame.ERROR) {
            CisternException failure = Frame.decodeError(message.payload());
            message.payload().release();
            released(call.payload);
            call.future.completeExceptionally(failure);
        } else {
            released(call.payload);
            if (!call.future.complete(message.payload())) {
                message.payload().release();
            }
        }
    }

    private @Nullable Call asked(long correlation) {
        Call lone = alone.get();
        if (lone != null && lone.id == correlation) {
            return alone.compareAndSet(lone, null) ? lone : null;
        }
        return pending.remove(correlation);
    }

    void lost(ClientChannel channel, CisternException reason) {
        if (channel != current) {
            return;
        }
        direct = null;
        current = null;
        if (state != State.CLOSED) {
            boolean wasOpen = state == State.OPEN;
            state = State.IDLE;
            backoffNanos =
                    wasOpen
                            ? 0
                            : Math.clamp(2 * backoffNanos, MIN_BACKOFF_NANOS, MAX_BACKOFF_NANOS);
            retryAtNanos = System.nanoTime() + backoffNanos;
        }
        lastFailure = reason;
        failAll(reason.code(), String.valueOf(reason.getMessage()));
    }

    private void failAll(ErrorCode code, String message) {
        List<Call> calls = new ArrayList<>(pending.values());
        Call lone = alone.getAndSet(null);
        if (lone != null) {
            calls.add(lone);
        }
        pending.clear();
        waiting.clear();
        disarm();
        for (Call call : calls) {
            fail(call, code, message);
        }
    }

    // ---- time-outs

    private void arm(long atNanos) {
        if (timer != null && timerAtNanos - atNanos <= 0) {
            return;
        }
        disarm();
        timerAtNanos = atNanos;
        armed = true;
        long delay = Math.max(atNanos - System.nanoTime(), TIMER_NANOS);
        timer = loop.schedule(this::expire, delay, TimeUnit.NANOSECONDS);
    }

    private void disarm() {
        armed = false;
        if (timer != null) {
            timer.cancel(false);
            timer = null;
        }
    }

    private void expire() {
        timer = null;
        armed = false;
        long now = System.nanoTime();
        List<Call> calls = new ArrayList<>(pending.values());
        Call lone = alone.get();
        if (lone != null) {
            calls.add(lone);
        }
        List<Call> expired = new ArrayList<>();
        long next = Long.MAX_VALUE;
        for (Call call : calls) {
            long left = call.deadlineNanos - now;
            if (left <= 0) {
                expired.add(call);
            } else {
                next = Math.min(next, left);
            }
        }
        if (next != Long.MAX_VALUE) {
            arm(now + next);
        }
        for (Call call : expired) {
            if (call == lone ? !alone.compareAndSet(call, null) : pending.remove(call.id) == null) {
                continue;
            }
            fail(call, ErrorCode.UNAVAILABLE, "no answer from " + address + " in time");
        }
    }

    private void fail(Call call, ErrorCode code, String message) {
        Frame.Encoded unsent = call.frame;
        call.frame = null;
        if (unsent != null) {
            unsent.release();
        }
        released(call.payload);
        call.future.completeExceptionally(new CisternException(code, message));
    }

    public InetSocketAddress address() {
        return address;
    }

    /// The event loop that completes this connection's calls.
    public EventLoop loop() {
        return loop;
    }

    /// Drops the connection, if there is one, and lets the next call make a new one: for a caller
    /// that has learned that nothing gets through, long before TCP gives up. Calls in flight fail
    /// with UNAVAILABLE.
    public void reset() {
        execute(() -> {
            ClientChannel open = current;
            if (open != null) {
                open.reset();
            }
        });
    }

    /// Closes the connection for good; calls in flight fail with UNAVAILABLE.
    @Override
    public void close() {
        client.closed(this);
        execute(() -> {
            state = State.CLOSED;
            direct = null;
            ClientChannel open = current;
            current = null;
            if (open != null) {
                open.close();
            }
            failAll(ErrorCode.UNAVAILABLE, "the connection to " + address + " was closed");
        });
    }

    private static final class Call {
        final long id;
        final long payload;
        final long deadlineNanos;
        final CompletableFuture<ByteBuf> future = new CompletableFuture<>();

        /// Null once written, or while its own thread writes it.
        Frame.@Nullable Encoded frame;

        Call(long id, long payload, long deadlineNanos, Frame.Encoded frame) {
            this.id = id;
            this.payload = payload;
            this.deadlineNanos = deadlineNanos;
            this.frame = frame;
        }
    }
}
