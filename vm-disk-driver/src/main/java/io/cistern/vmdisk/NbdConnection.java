package io.cistern.vmdisk;

import io.cistern.vmdisk.vhost.Libc;
import io.cistern.vmdisk.vhost.Native;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.function.Consumer;
import jnr.unixsocket.UnixSocketChannel;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One client's connection, from accept to close, on a thread of its own.
///
/// The thread negotiates, then reads requests until the client leaves, and last closes the
/// descriptor, when no thread of the device can be sending on it any more.
final class NbdConnection implements Runnable {
    private static final Logger LOG = LoggerFactory.getLogger(NbdConnection.class);
    private static final int RECEIVE_BYTES = 256 << 10;

    private final UnixSocketChannel channel;
    private final int fd;
    private final Peer peer;
    private final Export export;
    private final BufferPool pool;
    private final NbdLimits limits;
    private final NbdMetrics metrics;
    private final InFlight inFlight;
    private final Outbox outbox;
    private final NativeSocket socket;
    private final Consumer<NbdConnection> onClose;

    // Guarded by this.
    private @Nullable Transmission transmission;
    private boolean stopping;
    private boolean refusing;
    private boolean closed;

    /// What all connections of a server have in common.
    record Shared(
            Export export,
            BufferPool pool,
            NbdLimits limits,
            NbdMetrics metrics,
            Consumer<NbdConnection> onClose) {}

    NbdConnection(UnixSocketChannel channel, String name, Shared shared) {
        this.channel = channel;
        this.fd = channel.getFD();
        this.peer = Peer.of(channel);
        this.export = shared.export();
        this.pool = shared.pool();
        this.limits = shared.limits();
        this.metrics = shared.metrics();
        this.onClose = shared.onClose();
        this.inFlight = new InFlight(limits.maxRequests(), limits.maxBytes());
        this.outbox = new Outbox(fd, name);
        this.socket = new NativeSocket(fd);
    }

    Peer peer() {
        return peer;
    }

    InFlight inFlight() {
        return inFlight;
    }

    @Override
    public void run() {
        PooledBuffer received = null;
        try {
            received = pool.take(RECEIVE_BYTES);
            serve(received);
        } catch (NbdException e) {
            metrics.protocolErrors.increment();
            LOG.info("{}: closing the connection of {}: {}", export.name(), peer, e.getMessage());
        } catch (IOException e) {
            LOG.debug("{}: connection of {} ended: {}", export.name(), peer, e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException | Error e) {
            LOG.error("{}: closing the connection of {}", export.name(), peer, e);
        } finally {
            close();
            if (received != null) {
                received.release();
            }
            onClose.accept(this);
        }
    }

    /// Stops reading requests, answers those under way, closes. The client sees the end of the
    /// stream and no error; one that reconnects repeats what was not answered.
    synchronized void drain() {
        stopping = true;
        Transmission current = transmission;
        if (current != null) {
            current.stop();
        }
        if (!closed) {
            Native.shutdownReading(fd);
        }
    }

    /// Answers further requests with ESHUTDOWN.
    synchronized void refuse() {
        refusing = true;
        Transmission current = transmission;
        if (current != null) {
            current.refuse();
        }
    }

    /// Closes without waiting for anything.
    synchronized void abort() {
        drain();
        if (!closed) {
            Native.shutdown(fd);
        }
    }

    private void serve(PooledBuffer received) throws IOException, InterruptedException {
        Negotiation negotiation = new Negotiation(export);
        int buffered = handshake(negotiation, received);
        if (buffered < 0) {
            return;
        }
        Session session =
                new Session(
                        export,
                        negotiation.structuredReplies(),
                        negotiation.blockStatus(),
                        pool,
                        inFlight,
                        outbox,
                        metrics);
        Transmission current = new Transmission(session, this::receive, received, buffered);
        synchronized (this) {
            transmission = current;
            if (stopping) {
                current.stop();
            }
            if (refusing) {
                current.refuse();
            }
        }
        if (current.run()) {
            inFlight.awaitIdle();
        }
    }

    /// @return bytes of the transmission phase already received, moved to the beginning of
    ///   `received`; -1 where the connection ends with the handshake
    private int handshake(Negotiation negotiation, PooledBuffer received) throws IOException {
        long deadline = System.nanoTime() + limits.handshakeTimeoutMs() * 1_000_000L;
        sendAll(Negotiation.greeting(), deadline);
        ByteBuffer in = received.bytes().clear();
        in.limit(0);
        while (true) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            Negotiation.Outcome outcome = negotiation.feed(in, out);
            sendAll(out.toByteArray(), deadline);
            if (outcome == Negotiation.Outcome.CLOSE) {
                return -1;
            }
            in.compact();
            if (outcome == Negotiation.Outcome.TRANSMIT) {
                int buffered = in.position();
                in.clear();
                return buffered;
            }
            awaitReady(NativeSocket.POLLIN, deadline);
            int n = receive(received, in.position(), in.remaining());
            if (n == 0) {
                return -1;
            }
            in.position(in.position() + n).flip();
        }
    }

    private void sendAll(byte[] bytes, long deadline) throws IOException {
        if (bytes.length == 0) {
            return;
        }
        PooledBuffer buffer = pool.take(bytes.length);
        try {
            buffer.bytes().put(0, bytes);
            int sent = 0;
            while (sent < bytes.length) {
                socket.gather(0, buffer.addressOf(sent), bytes.length - sent);
                long n = socket.send(1);
                if (n >= 0) {
                    sent += (int) n;
                } else if (n == -Libc.EAGAIN) {
                    awaitReady(NativeSocket.POLLOUT, deadline);
                } else if (n != -Libc.EINTR) {
                    throw new IOException("send failed, errno " + -n);
                }
            }
        } finally {
            buffer.release();
        }
    }

    private void awaitReady(int events, long deadline) throws NbdException {
        while (true) {
            long leftMs = (deadline - System.nanoTime()) / 1_000_000;
            if (leftMs <= 0) {
                throw new NbdException(
                        "no complete handshake within " + limits.handshakeTimeoutMs() + " ms");
            }
            if (socket.poll(events, (int) leftMs) > 0) {
                return;
            }
        }
    }

    private int receive(PooledBuffer into, int at, int length) throws IOException {
        while (true) {
            long n = socket.receive(into.addressOf(at), length);
            if (n >= 0) {
                return (int) n;
            }
            if (n != -Libc.EINTR) {
                throw new IOException("recv failed, errno " + -n);
            }
        }
    }

    private void close() {
        Native.shutdown(fd);
        outbox.close();
        synchronized (this) {
            closed = true;
            try {
                channel.close();
            } catch (IOException e) {
                LOG.warn("{}: closing the connection of {} failed", export.name(), peer, e);
            }
        }
    }
}
