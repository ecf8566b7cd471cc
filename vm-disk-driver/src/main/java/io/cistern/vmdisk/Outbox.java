package io.cistern.vmdisk;

import io.cistern.vmdisk.vhost.Libc;
import io.cistern.vmdisk.vhost.Native;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/// The replies of one connection on their way to its socket.
///
/// Any thread may [#add] and [#flush]. Whoever flushes first sends for everybody who adds
/// meanwhile, several replies per system call. A flush that may not wait hands the rest to a thread
/// of this outbox when the socket is full, so a thread of the device never blocks here. How much
/// can queue is bounded by the connection's [InFlight], which every queued buffer is charged to.
final class Outbox {
    private final NativeSocket socket;
    private final String name;
    private final ArrayDeque<PooledBuffer> queue = new ArrayDeque<>();

    // Guarded by this.
    private boolean sending;
    private boolean handedOver;
    private boolean closed;
    private @Nullable Thread writer;

    // Owned by whoever set `sending`.
    private final PooledBuffer[] batch = new PooledBuffer[NativeSocket.MAX_GATHER];
    private int batchCount;
    private int batchNext;
    private int sentOfNext;

    /// @param name for the writer thread, if one is needed
    Outbox(int fd, String name) {
        this.socket = new NativeSocket(fd);
        this.name = name;
    }

    /// Queues a reply and takes the buffer over. Nothing is sent before the next [#flush].
    void add(PooledBuffer reply) {
        synchronized (this) {
            if (!closed) {
                queue.addLast(reply);
                return;
            }
        }
        reply.release();
    }

    /// Sends what is queued, unless another thread is about to.
    ///
    /// @param mayWait true for the connection's own reader: it waits while the socket is full
    void flush(boolean mayWait) {
        synchronized (this) {
            if (sending || closed || queue.isEmpty()) {
                return;
            }
            sending = true;
        }
        drain(mayWait);
    }

    /// Ends sending and releases what is queued. When this returns no thread uses the socket any
    /// more. The socket must have been shut down before, so that nobody waits in it.
    void close() {
        PooledBuffer[] dropped;
        synchronized (this) {
            closed = true;
            notifyAll();
            dropped = queue.toArray(PooledBuffer[]::new);
            queue.clear();
            boolean interrupted = false;
            while (sending) {
                try {
                    wait();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
        for (PooledBuffer reply : dropped) {
            reply.release();
        }
    }

    private void drain(boolean mayWait) {
        while (nextBatch()) {
            int count = 0;
            for (int i = batchNext; i < batchCount; i++) {
                PooledBuffer reply = batch[i];
                int skip = i == batchNext ? sentOfNext : 0;
                socket.gather(
                        count++,
                        reply.addressOf(reply.sendFrom() + skip),
                        reply.sendBytes() - skip);
            }
            long n = socket.send(count);
            if (n >= 0) {
                advance(n);
            } else if (n == -Libc.EAGAIN) {
                if (!mayWait) {
                    handOver();
                    return;
                }
                socket.poll(NativeSocket.POLLOUT, -1);
            } else if (n != -Libc.EINTR) {
                fail();
                return;
            }
        }
    }

    /// Fills the batch from the queue where it is empty; gives up the right to send where there is
    /// nothing left.
    private boolean nextBatch() {
        if (batchNext < batchCount) {
            return true;
        }
        synchronized (this) {
            batchNext = 0;
            batchCount = 0;
            while (batchCount < batch.length && !queue.isEmpty()) {
                batch[batchCount++] = queue.removeFirst();
            }
            if (batchCount == 0) {
                sending = false;
                if (closed) {
                    notifyAll();
                }
                return false;
            }
            return true;
        }
    }

    private void advance(long sent) {
        long left = sent;
        while (batchNext < batchCount) {
            PooledBuffer reply = batch[batchNext];
            int bytes = reply.sendBytes() - sentOfNext;
            if (left < bytes) {
                sentOfNext += (int) left;
                return;
            }
            left -= bytes;
            sentOfNext = 0;
            batchNext++;
            reply.release();
        }
    }

    private synchronized void handOver() {
        handedOver = true;
        if (writer == null) {
            writer = Thread.ofPlatform().daemon().name(name + "-writer").start(this::writeLoop);
        }
        notifyAll();
    }

    private void writeLoop() {
        while (true) {
            synchronized (this) {
                while (!handedOver) {
                    if (closed) {
                        return;
                    }
                    try {
                        wait();
                    } catch (InterruptedException e) {
                        // Nobody interrupts this thread; it ends by `closed`.
                        Thread.currentThread().interrupt();
                        return;
                    }
                }
                handedOver = false;
            }
            drain(true);
        }
    }

    /// The peer is gone: nothing queued can reach it. The reader learns of it by the shutdown.
    private void fail() {
        Native.shutdown(socket.fd());
        PooledBuffer[] dropped;
        synchronized (this) {
            closed = true;
            dropped = queue.toArray(PooledBuffer[]::new);
            queue.clear();
        }
        for (PooledBuffer reply : dropped) {
            reply.release();
        }
        while (batchNext < batchCount) {
            batch[batchNext++].release();
        }
        synchronized (this) {
            sending = false;
            notifyAll();
        }
    }
}
