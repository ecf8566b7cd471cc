package io.cistern.vmdisk;

import com.fasterxml.jackson.databind.JsonNode;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Talks to the driver of a home, one connection per call. Methods block; failures of the driver
/// arrive as the [CisternException] it threw.
public final class DriverClient {
    /// How many calls a driver answers at a time; more wait.
    public static final int MAX_AT_A_TIME = ControlServer.MAX_CONNECTIONS;

    private static final Logger LOG = LoggerFactory.getLogger(DriverClient.class);
    private static final long POLL_MS = 20;
    private static final int LOG_TAIL_CHARS = 2_000;

    private final Path home;

    /// @param home the driver's home directory
    public DriverClient(Path home) {
        this.home = home.toAbsolutePath().normalize();
    }

    /// True where a driver answers.
    public boolean running() {
        try {
            call(ControlProtocol.Request.of("ping", null));
            return true;
        } catch (CisternException e) {
            LOG.debug("no driver in {}: {}", home, e.getMessage());
            return false;
        }
    }

    /// Starts the driver unless one answers, and waits until it does: until every attachment of its
    /// last life has been tried. The driver outlives this process and its terminal, and is started
    /// again when it is killed; what it prints goes to `driver.log` in its home.
    ///
    /// @param command the program and arguments of a process that runs [DriverMain] for this home
    /// @throws CisternException UNAVAILABLE where it does not answer within `patience`, with the
    ///   end of its log
    public void ensureRunning(List<String> command, Duration patience) {
        if (running()) {
            return;
        }
        Path log = home.resolve("driver.log");
        try {
            new Supervisor(home).start(command, log);
            long end = System.nanoTime() + patience.toNanos();
            while (!running()) {
                if (System.nanoTime() > end) {
                    throw new CisternException(
                            ErrorCode.UNAVAILABLE,
                            "the driver did not start within "
                                    + patience.toSeconds()
                                    + " s; the end of "
                                    + log
                                    + ": "
                                    + tail(log));
                }
                Thread.sleep(POLL_MS);
            }
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot start the driver: " + e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted", e);
        }
    }

    /// See [DriverDaemon#attach].
    public AttachmentView attach(
            String volume, AttachMode mode, Transport transport, @Nullable Path socket) {
        return attach(volume, mode, new DriverDaemon.Offer(transport, false), socket);
    }

    /// See [DriverDaemon#attach].
    public AttachmentView attach(
            String volume, AttachMode mode, DriverDaemon.Offer offer, @Nullable Path socket) {
        JsonNode result =
                call(
                        new ControlProtocol.Request(
                                "attach",
                                volume,
                                mode.name().toLowerCase(Locale.ROOT),
                                offer.transport().word(),
                                absolute(socket),
                                false,
                                false,
                                offer.incoming()));
        return ControlProtocol.convert(result, AttachmentView.class);
    }

    /// See [DriverDaemon#detach].
    public int detach(String volume, @Nullable Path socket, boolean force) {
        return call(new ControlProtocol.Request(
                        "detach", volume, null, null, absolute(socket), force, false, false))
                .path("detached")
                .asInt();
    }

    /// The attachments with their clients and counters.
    public List<AttachmentView> list() {
        JsonNode result = call(ControlProtocol.Request.of("list", null));
        return List.of(ControlProtocol.convert(result, AttachmentView[].class));
    }

    /// See [DriverDaemon#notifyResize].
    public Map<String, Integer> notifyResize(String volume, boolean all) {
        Map<String, Integer> bySocket = new LinkedHashMap<>();
        call(new ControlProtocol.Request(
                        "resize-notify", volume, null, null, null, false, all, false))
                .properties()
                .forEach(entry -> bySocket.put(entry.getKey(), entry.getValue().asInt()));
        return bySocket;
    }

    /// The driver's process.
    public long pid() {
        return call(ControlProtocol.Request.of("ping", null)).path("pid").asLong();
    }

    /// Stops the driver in order; attachments stay for its next start. Returns when its process has
    /// ended, or after `patience`.
    ///
    /// @return false where it still runs
    public boolean stop(Duration patience) {
        stayStopped();
        long pid = call(ControlProtocol.Request.of("stop", null)).path("pid").asLong();
        long end = System.nanoTime() + patience.toNanos();
        while (ProcessHandle.of(pid).filter(ProcessHandle::isAlive).isPresent()) {
            if (System.nanoTime() > end) {
                return false;
            }
            try {
                Thread.sleep(POLL_MS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return false;
            }
        }
        return true;
    }

    /// A driver that does not run now, and one that is killed from now on, is not started again
    /// before [#ensureRunning].
    public void stayStopped() {
        try {
            new Supervisor(home).stop();
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot stop the driver in " + home + ": " + e, e);
        }
    }

    private JsonNode call(ControlProtocol.Request request) {
        Path socket = home.resolve(ControlProtocol.SOCKET);
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.connect(UnixDomainSocketAddress.of(socket));
            ControlProtocol.writeLine(channel, ControlProtocol.json(request));
            String line =
                    new ControlProtocol.LineReader(channel, ControlProtocol.MAX_REPLY_BYTES).next();
            if (line == null) {
                throw new CisternException(
                        ErrorCode.UNAVAILABLE, "the driver in " + home + " closed the connection");
            }
            return ControlProtocol.result(line);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.UNAVAILABLE,
                    "no driver answers in " + home + " (" + e.getMessage() + ")",
                    e);
        }
    }

    private static @Nullable String absolute(@Nullable Path socket) {
        return socket == null ? null : socket.toAbsolutePath().normalize().toString();
    }

    private static String tail(Path log) throws IOException {
        String text = Files.exists(log) ? Files.readString(log) : "";
        return text.substring(Math.max(0, text.length() - LOG_TAIL_CHARS)).strip();
    }
}
