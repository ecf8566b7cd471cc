package io.cistern.vmdisk.vhost;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A vhost-user-blk back end for one device on one Unix socket, for one front end at a time.
///
/// It does not close the device: whoever opened it does, after the server. All methods may be
/// called by any thread.
public final class VhostServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(VhostServer.class);
    private static final int BACKLOG = 8;
    private static final long ACCEPT_RETRY_MS = 100;

    /// How long a front end that connects is kept waiting for the one before it to be gone.
    private static final long SUCCESSION_MS = 1_000;

    /// How long requests under way may take when the server is closed.
    private static final long GRACE_MS = 5_000;

    /// How long a front end that stops its guest is kept waiting for requests under way: longer
    /// than any failover, shorter than the patience of who watches QEMU's monitor.
    static final long DRAIN_MS = 30_000;

    private final Target target;
    private final Path socket;
    private final Connection.Serving common;
    private final Counters counters = new Counters();
    private final int listener;
    private final Thread acceptor;

    // Guarded by this.
    private @Nullable Connection current;

    /// Those whose front end is gone, but not what the device works on for them.
    private final Set<Connection> leaving = new HashSet<>();

    private final List<Thread> serving = new ArrayList<>();
    private boolean closing;

    private VhostServer(
            Target target, Path socket, Buffers buffers, long pollNanos, long drainMillis)
            throws IOException {
        this.target = target;
        this.socket = socket;
        this.common = new Connection.Serving(target, buffers, counters, pollNanos, drainMillis);
        this.listener = Native.listen(socket.toString(), BACKLOG);
        this.acceptor =
                Thread.ofPlatform().daemon().name("vhost-" + target.name()).unstarted(this::accept);
    }

    /// Begins to serve on a new socket, which only its owner may use. The path must be free.
    ///
    /// @param pollNanos how long a queue that has work looks for more before it sleeps, at most; 0
    ///   for never
    /// @throws CisternException IO where the socket cannot be made
    public static VhostServer open(Target target, Path socket, Buffers buffers, long pollNanos) {
        return open(target, socket, buffers, pollNanos, DRAIN_MS);
    }

    /// As the other [#open].
    ///
    /// @param drainMillis how long a front end that stops a ring is kept waiting
    static VhostServer open(
            Target target, Path socket, Buffers buffers, long pollNanos, long drainMillis) {
        try {
            VhostServer server = new VhostServer(target, socket, buffers, pollNanos, drainMillis);
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

    /// What [#open] is given where nothing else is known.
    public static long defaultPollNanos() {
        return Polling.MAX_NANOS;
    }

    public Counters.Snapshot counters() {
        return counters.snapshot();
    }

    /// The process that is connected, 0 where none is.
    public synchronized int peer() {
        Connection connection = current;
        return connection == null ? 0 : connection.pid();
    }

    /// The device has another size: tells the front end, which tells its guest.
    public void resized() {
        Connection connection;
        synchronized (this) {
            connection = current;
        }
        if (connection != null) {
            connection.configChanged();
        }
    }

    /// Waits until no front end is connected and nothing is under way for one that was.
    ///
    /// @return false where that is not so after `millis`
    public synchronized boolean awaitNoPeer(long millis) throws InterruptedException {
        long end = System.nanoTime() + millis * 1_000_000;
        while (current != null || !leaving.isEmpty()) {
            long left = (end - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                return false;
            }
            wait(left);
        }
        return true;
    }

    /// Answers all further requests of the guest with errors: the volume goes away for good.
    public void refuse() {
        Connection connection;
        synchronized (this) {
            connection = current;
        }
        if (connection != null) {
            connection.refuse();
        }
    }

    /// Stops accepting, answers what is under way, takes nothing more from the rings, and closes
    /// the connection. A front end that connects again goes on where it was. Removes the socket
    /// file.
    @Override
    public void close() {
        List<Connection> connections = new ArrayList<>();
        List<Thread> threads;
        synchronized (this) {
            if (closing) {
                return;
            }
            closing = true;
            if (current != null) {
                connections.add(current);
            }
            connections.addAll(leaving);
            threads = List.copyOf(serving);
        }
        Native.shutdown(listener);
        join(acceptor);
        Native.close(listener);
        try {
            Files.deleteIfExists(socket);
        } catch (IOException e) {
            LOG.warn("removing {} failed", socket, e);
        }
        connections.forEach(Connection::hangUp);
        long end = System.nanoTime() + GRACE_MS * 1_000_000;
        for (Thread thread : threads) {
            if (!join(thread, Math.max(1, (end - System.nanoTime()) / 1_000_000))) {
                // The device takes long. What it has not answered stays marked as in flight, and is
                // submitted again by whoever serves the guest next.
                connections.forEach(Connection::abandon);
                return;
            }
        }
    }

    private void accept() {
        while (true) {
            try {
                int fd = Native.accept(listener);
                admit(fd);
            } catch (IOException | InterruptedException e) {
                synchronized (this) {
                    if (closing) {
                        return;
                    }
                }
                LOG.warn("{}: accepting a front end failed; trying on", target.name(), e);
                pause();
            }
        }
    }

    private void admit(int fd) throws InterruptedException {
        boolean unused = awaitNoPeer(SUCCESSION_MS);
        synchronized (this) {
            if (current != null || closing) {
                counters.refused.increment();
                LOG.warn(
                        "{}: refusing process {}: {}",
                        target.name(),
                        Native.peerPid(fd),
                        closing ? "the socket is being closed" : "another front end is connected");
                Native.close(fd);
                return;
            }
            // Requests of the one before that the device still works on must not meet those of the
            // next, nor may both touch the ring: this one begins none before the others are gone.
            leaving.forEach(Connection::abandon);
            Connection connection = new Connection(fd, common);
            current = connection;
            counters.accepted.increment();
            if (leaving.isEmpty()) {
                connection.open();
            } else {
                LOG.info("{}: requests of the last front end are still under way", target.name());
            }
            Thread thread =
                    Thread.ofPlatform()
                            .daemon()
                            .name("vhost-" + target.name() + "-control")
                            .unstarted(() -> serve(connection));
            serving.add(thread);
            thread.start();
        }
    }

    private void serve(Connection connection) {
        try {
            connection.run();
            synchronized (this) {
                current = null;
                leaving.add(connection);
            }
            connection.close();
        } finally {
            Connection next;
            synchronized (this) {
                if (current == connection) {
                    current = null;
                }
                leaving.remove(connection);
                serving.remove(Thread.currentThread());
                next = leaving.isEmpty() ? current : null;
                notifyAll();
            }
            if (next != null) {
                next.open();
            }
        }
    }

    private static boolean join(Thread thread, long millis) {
        try {
            return thread.join(java.time.Duration.ofMillis(millis));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private static void join(Thread thread) {
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static void pause() {
        try {
            Thread.sleep(ACCEPT_RETRY_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
