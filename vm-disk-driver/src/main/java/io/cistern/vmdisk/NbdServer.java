package io.cistern.vmdisk;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.vmdisk.vhost.Native;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import jnr.unixsocket.UnixServerSocketChannel;
import jnr.unixsocket.UnixSocketAddress;
import jnr.unixsocket.UnixSocketChannel;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// An NBD server for one device on one Unix socket.
///
/// It does not close the device: whoever opened it does, after the server. All methods may be
/// called by any thread.
public final class NbdServer implements DiskServer {
    private static final Logger LOG = LoggerFactory.getLogger(NbdServer.class);
    private static final int BACKLOG = 64;
    private static final long ACCEPT_RETRY_MS = 100;

    private final Export export;
    private final Path socket;
    private final BufferPool pool;
    private final NbdLimits limits;
    private final NbdMetrics metrics = new NbdMetrics();
    private final UnixServerSocketChannel listener;
    private final Thread acceptor;

    // Guarded by this.
    private final Map<NbdConnection, Thread> connections = new LinkedHashMap<>();
    private boolean closing;
    private long accepted;

    private NbdServer(Export export, Path socket, BufferPool pool, NbdLimits limits)
            throws IOException {
        this.export = export;
        this.socket = socket;
        this.pool = pool;
        this.limits = limits;
        this.listener = UnixServerSocketChannel.open();
        try {
            Native.ownerOnly(listener.getFD());
            listener.socket().bind(new UnixSocketAddress(socket.toString()), BACKLOG);
            Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-------"));
        } catch (IOException | RuntimeException e) {
            listener.close();
            throw e;
        }
        this.acceptor =
                Thread.ofPlatform().daemon().name("nbd-" + export.name()).unstarted(this::accept);
    }

    /// Begins to serve `export` on a new socket at `socket`, which only its owner may use.
    ///
    /// A socket file that nobody answers on is replaced.
    ///
    /// @throws CisternException BUSY where somebody answers there; INVALID where the path is too
    ///   long, relative, or something else than a socket; IO where it cannot be made
    public static NbdServer open(Export export, Path socket, BufferPool pool, NbdLimits limits) {
        SocketPath.checkFree(socket);
        try {
            NbdServer server = new NbdServer(export, socket, pool, limits);
            server.acceptor.start();
            return server;
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO,
                    "cannot make the socket "
                            + socket
                            + ": "
                            + e.getMessage()
                            + "; check that its directory exists and may be written",
                    e);
        }
    }

    public Path socket() {
        return socket;
    }

    @Override
    public NbdMetrics.Snapshot metrics() {
        return metrics.snapshot();
    }

    @Override
    public synchronized List<Peer> peers() {
        return connections.keySet().stream().map(NbdConnection::peer).toList();
    }

    /// Ends the connections of those peers in order, so that the clients connect anew: requests
    /// under way are answered, then the client sees the end of the stream.
    ///
    /// @return how many
    @Override
    public int resized(Predicate<Peer> which) {
        List<NbdConnection> chosen = snapshot();
        chosen.removeIf(c -> !which.test(c.peer()));
        chosen.forEach(NbdConnection::drain);
        return chosen.size();
    }

    @Override
    public synchronized boolean awaitNoPeers(long millis) throws InterruptedException {
        long end = System.nanoTime() + millis * 1_000_000;
        while (!connections.isEmpty()) {
            long left = (end - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                return false;
            }
            wait(left);
        }
        return true;
    }

    /// Answers all further requests with ESHUTDOWN: the volume goes away for good.
    @Override
    public void refuse() {
        snapshot().forEach(NbdConnection::refuse);
    }

    /// Stops accepting, answers what is under way and closes all connections without an error to
    /// their clients, which may reconnect to a successor. Removes the socket file.
    @Override
    public void close() {
        close(5_000);
    }

    /// As [#close], where connections whose requests take longer than `graceMs` are cut.
    void close(long graceMs) {
        synchronized (this) {
            if (closing) {
                return;
            }
            closing = true;
        }
        Native.shutdown(listener.getFD());
        boolean interrupted = join(acceptor);
        try {
            Files.deleteIfExists(socket);
            listener.close();
        } catch (IOException e) {
            LOG.warn("closing {} failed", socket, e);
        }
        snapshot().forEach(NbdConnection::drain);
        try {
            if (!awaitNoPeers(graceMs)) {
                snapshot().forEach(NbdConnection::abort);
            }
        } catch (InterruptedException e) {
            interrupted = true;
            snapshot().forEach(NbdConnection::abort);
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void accept() {
        while (true) {
            try {
                UnixSocketChannel channel = listener.accept();
                if (channel != null) {
                    admit(channel);
                }
            } catch (IOException | RuntimeException e) {
                synchronized (this) {
                    if (closing) {
                        return;
                    }
                }
                LOG.warn("{}: accepting a client failed; trying on", export.name(), e);
                try {
                    Thread.sleep(ACCEPT_RETRY_MS);
                } catch (InterruptedException interrupted) {
                    Thread.currentThread().interrupt();
                    return;
                }
            }
        }
    }

    private void admit(UnixSocketChannel channel) throws IOException {
        synchronized (this) {
            if (closing || connections.size() >= limits.maxConnections()) {
                metrics.refused.increment();
                LOG.warn(
                        "{}: refusing a client: {} are connected",
                        export.name(),
                        connections.size());
                channel.close();
                return;
            }
            String name = "nbd-" + export.name() + "-" + ++accepted;
            NbdConnection connection =
                    new NbdConnection(
                            channel,
                            name,
                            new NbdConnection.Shared(export, pool, limits, metrics, this::forget));
            Thread thread = Thread.ofPlatform().daemon().name(name).unstarted(connection);
            connections.put(connection, thread);
            metrics.accepted.increment();
            metrics.connections.incrementAndGet();
            thread.start();
        }
    }

    private synchronized void forget(NbdConnection connection) {
        if (connections.remove(connection) != null) {
            metrics.connections.decrementAndGet();
        }
        notifyAll();
    }

    private synchronized List<NbdConnection> snapshot() {
        return new ArrayList<>(connections.keySet());
    }

    private static boolean join(Thread thread) {
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                return interrupted;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
    }
}
