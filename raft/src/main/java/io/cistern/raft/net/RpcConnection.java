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
import org.jspecify.annotations.Nullable;

/// A pipelined connection to one server. Calls may be made from any thread; those of one thread
/// reach the server's handlers in their order, as long as the connection lasts.
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
    private long timerAtNanos;

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

    /// Everything submitted since the last tick, with one flush.
    private void drain() {
        scheduled.set(false);
        boolean flush = false;
        for (Call call = submitted.poll(); call != null; call = submitted.poll()) {
            flush |= start(call);
        }
        if (flush && current != null) {
            current.channel().flush();
        }
    }

    /// True if it wrote.
    private boolean start(Call call) {
        if (state == State.CLOSED) {
            fail(call, ErrorCode.UNAVAILABLE, "the connection to " + address + " was closed");
            return false;
        }
        if (state == State.IDLE && System.nanoTime() - retryAtNanos < 0) {
            fail(call, lastFailure.code(), String.valueOf(lastFailure.getMessage()));
            return false;
        }
        pending.put(call.id, call);
        arm(call.deadlineNanos);
        if (state == State.OPEN && current != null) {
            return write(current.channel(), call);
        }
        waiting.add(call);
        if (state == State.IDLE) {
            state = State.CONNECTING;
            current = new ClientChannel(this, client, loop);
            current.connect(address);
        }
        return false;
    }

    private boolean write(Channel channel, Call call) {
        Frame.Encoded frame = call.frame;
        if (frame == null) {
            return false;
        }
        if (Outbound.waitingBytes(channel) + frame.bytes() > limits.maxOutboundBytes()) {
            pending.remove(call.id);
            fail(call, ErrorCode.LIMIT, address + " does not take what waits for it");
            return false;
        }
        call.frame = null;
        Outbound.write(channel, frame);
        return true;
    }

    // ---- from ClientChannel, on the event loop

    void opened(ClientChannel channel) {
        if (channel != current || state != State.CONNECTING) {
            return;
        }
        state = State.OPEN;
        backoffNanos = 0;
        for (Call call = waiting.poll(); call != null; call = waiting.poll()) {
            write(channel.channel(), call);
        }
        channel.channel().flush();
    }

    void answer(ClientChannel channel, Frame.Message message) {
        Call call = channel == current ? pending.remove(message.correlation()) : null;
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

    void lost(ClientChannel channel, CisternException reason) {
        if (channel != current) {
            return;
        }
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
        long delay = Math.max(atNanos - System.nanoTime(), TIMER_NANOS);
        timer = loop.schedule(this::expire, delay, TimeUnit.NANOSECONDS);
    }

    private void disarm() {
        if (timer != null) {
            timer.cancel(false);
            timer = null;
        }
    }

    private void expire() {
        timer = null;
        long now = System.nanoTime();
        List<Call> expired = new ArrayList<>();
        long next = Long.MAX_VALUE;
        for (Call call : pending.values()) {
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
            pending.remove(call.id);
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

        /// Null once written.
        Frame.@Nullable Encoded frame;

        Call(long id, long payload, long deadlineNanos, Frame.Encoded frame) {
            this.id = id;
            this.payload = payload;
            this.deadlineNanos = deadlineNanos;
            this.frame = frame;
        }
    }
}
