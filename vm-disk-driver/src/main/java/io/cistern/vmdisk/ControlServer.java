package io.cistern.vmdisk;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Answers requests on the driver's control socket, which only the driver's user may open.
final class ControlServer implements AutoCloseable {
    /// Most connections at a time; more wait to be accepted.
    static final int MAX_CONNECTIONS = 16;

    private static final Logger LOG = LoggerFactory.getLogger(ControlServer.class);
    private static final long IDLE_S = 30;

    private final DriverDaemon daemon;
    private final Runnable onStop;
    private final Path socket;
    private final ServerSocketChannel listener;
    private final Semaphore places = new Semaphore(MAX_CONNECTIONS);
    private final Set<SocketChannel> open = ConcurrentHashMap.newKeySet();
    private final ScheduledThreadPoolExecutor idle = new ScheduledThreadPoolExecutor(1, daemon());

    private ControlServer(
            DriverDaemon daemon, Runnable onStop, Path socket, ServerSocketChannel listener) {
        this.daemon = daemon;
        this.onStop = onStop;
        this.socket = socket;
        this.listener = listener;
        idle.setRemoveOnCancelPolicy(true);
    }

    /// Begins to answer. The daemon's lock on its home makes sure that an old socket file is stale.
    ///
    /// @param onStop called when a client asks the driver to stop, after it was answered
    static ControlServer start(DriverDaemon daemon, Runnable onStop) {
        Path socket = daemon.home().resolve(ControlProtocol.SOCKET);
        try {
            Files.deleteIfExists(socket);
            ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            listener.bind(UnixDomainSocketAddress.of(socket), MAX_CONNECTIONS);
            // The directory above lets nobody else in, also before this.
            Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-------"));
            ControlServer server = new ControlServer(daemon, onStop, socket, listener);
            Thread.ofVirtual().name("control").start(server::accept);
            return server;
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO,
                    "cannot make the control socket "
                            + socket
                            + ": "
                            + e.getMessage()
                            + "; a shorter --home may help",
                    e);
        }
    }

    @Override
    public void close() {
        try {
            listener.close();
            Files.deleteIfExists(socket);
            for (SocketChannel channel : open) {
                channel.close();
            }
        } catch (IOException e) {
            LOG.warn("closing the control socket failed", e);
        }
        idle.shutdownNow();
    }

    private void accept() {
        try {
            while (true) {
                places.acquire();
                SocketChannel channel = listener.accept();
                open.add(channel);
                Thread.ofVirtual().name("control-client").start(() -> serve(channel));
            }
        } catch (IOException e) {
            if (listener.isOpen()) {
                LOG.error("the control socket fails", e);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void serve(SocketChannel channel) {
        boolean stop = false;
        try (channel) {
            ControlProtocol.LineReader lines =
                    new ControlProtocol.LineReader(channel, ControlProtocol.MAX_REQUEST_BYTES);
            while (!stop) {
                ScheduledFuture<?> limit =
                        idle.schedule(() -> closeIdle(channel), IDLE_S, TimeUnit.SECONDS);
                String line = lines.next();
                limit.cancel(false);
                if (line == null) {
                    return;
                }
                stop = answer(channel, line);
            }
        } catch (IOException | RuntimeException e) {
            LOG.debug("a control client went: {}", e.getMessage());
        } finally {
            open.remove(channel);
            places.release();
            if (stop) {
                onStop.run();
            }
        }
    }

    /// @return true where the driver is to stop
    private boolean answer(SocketChannel channel, String line) throws IOException {
        boolean stop = false;
        String reply;
        try {
            ControlProtocol.Request request = ControlProtocol.parse(line);
            stop = "stop".equals(request.command());
            reply = ControlProtocol.success(execute(request));
        } catch (RuntimeException e) {
            CisternException known = CisternException.of(e);
            if (known.code() == ErrorCode.INTERNAL) {
                LOG.error("a control request failed", e);
            }
            reply = ControlProtocol.failure(known);
        }
        ControlProtocol.writeLine(channel, reply);
        return stop;
    }

    private Object execute(ControlProtocol.Request request) {
        String command = String.valueOf(request.command());
        return switch (command) {
            case "ping", "stop" -> Map.of("pid", ProcessHandle.current().pid());
            case "attach" ->
                    daemon.attach(
                            request.requiredVolume(),
                            request.attachMode(),
                            new DriverDaemon.Offer(
                                    Transport.of(request.transport()), request.incoming()),
                            request.path());
            case "detach" ->
                    Map.of(
                            "detached",
                            daemon.detach(
                                    request.requiredVolume(), request.path(), request.force()));
            case "list", "metrics" -> daemon.list();
            case "resize-notify" -> daemon.notifyResize(request.requiredVolume(), request.all());
            default ->
                    throw new CisternException(
                            ErrorCode.INVALID, "the driver knows no command '" + command + "'");
        };
    }

    private static void closeIdle(SocketChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            LOG.debug("closing an idle control client failed", e);
        }
    }

    private static java.util.concurrent.ThreadFactory daemon() {
        return Thread.ofPlatform().daemon().name("control-idle").factory();
    }
}
