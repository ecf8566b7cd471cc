package io.cistern.raft.net;

import io.netty.channel.Channel;
import io.netty.channel.ChannelOutboundBuffer;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes frames to a channel from any thread, in the order of the calls. All that has queued when
/// the event loop gets to it leaves with one flush. A peer that lets more than the limit pile up is
/// disconnected.
final class Outbound {
    private static final Logger LOG = LoggerFactory.getLogger(Outbound.class);

    private final Channel channel;
    private final long maxBytes;
    private final Queue<Frame.Encoded> queue = new ConcurrentLinkedQueue<>();
    private final AtomicLong queuedBytes = new AtomicLong();
    private final AtomicBoolean scheduled = new AtomicBoolean();

    Outbound(Channel channel, long maxBytes) {
        this.channel = channel;
        this.maxBytes = maxBytes;
    }

    /// Takes the frame over.
    void send(Frame.Encoded frame) {
        long waiting = queuedBytes.addAndGet(frame.bytes());
        queue.add(frame);
        if (scheduled.compareAndSet(false, true) && !execute(channel, this::drain)) {
            discard();
        }
        if (waiting > maxBytes) {
            overflow(waiting);
        }
    }

    private void drain() {
        scheduled.set(false);
        for (Frame.Encoded frame = queue.poll(); frame != null; frame = queue.poll()) {
            queuedBytes.addAndGet(-frame.bytes());
            write(channel, frame);
        }
        channel.flush();
        long waiting = waitingBytes(channel);
        if (waiting > maxBytes) {
            overflow(waiting);
        }
    }

    private void overflow(long waiting) {
        if (channel.isOpen()) {
            LOG.warn("{} does not read: {} bytes wait; closing", channel.remoteAddress(), waiting);
            channel.close();
        }
    }

    private void discard() {
        for (Frame.Encoded frame = queue.poll(); frame != null; frame = queue.poll()) {
            queuedBytes.addAndGet(-frame.bytes());
            frame.release();
        }
    }

    /// Event loop only, without a flush.
    static void write(Channel channel, Frame.Encoded frame) {
        channel.write(frame.head(), channel.voidPromise());
        for (var part : frame.parts()) {
            channel.write(part, channel.voidPromise());
        }
    }

    /// Bytes the socket has not taken. Event loop only.
    static long waitingBytes(Channel channel) {
        ChannelOutboundBuffer buffer = channel.unsafe().outboundBuffer();
        return buffer == null ? 0 : buffer.totalPendingWriteBytes();
    }

    /// False if the event loop has been stopped.
    static boolean execute(Channel channel, Runnable task) {
        try {
            channel.eventLoop().execute(task);
            return true;
        } catch (RejectedExecutionException stopped) {
            return false;
        }
    }
}
