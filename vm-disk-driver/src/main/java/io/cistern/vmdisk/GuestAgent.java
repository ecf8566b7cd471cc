package io.cistern.vmdisk;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/// QEMU's guest agent behind a Unix socket: it freezes the guest's file systems for a snapshot. For
/// one thread. A guest that does not answer within the patience given is not waited for.
public final class GuestAgent implements AutoCloseable {
    private static final int MAX_LINE_BYTES = 1 << 20;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path path;
    private final SocketChannel channel;
    private final ControlProtocol.LineReader lines;
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().name("guest-agent").factory());
    private final Duration patience;

    private GuestAgent(Path path, SocketChannel channel, Duration patience) {
        this.path = path;
        this.channel = channel;
        this.lines = new ControlProtocol.LineReader(channel, MAX_LINE_BYTES);
        this.patience = patience;
    }

    /// @throws CisternException UNAVAILABLE where nothing answers there
    public static GuestAgent connect(Path path, Duration patience) {
        try {
            SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            try {
                channel.connect(UnixDomainSocketAddress.of(path));
                return new GuestAgent(path, channel, patience);
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.UNAVAILABLE,
                    "no guest agent's socket at " + path + ": " + e.getMessage(),
                    e);
        }
    }

    /// Flushes and freezes all of the guest's file systems.
    ///
    /// @return how many
    public int freeze() {
        return execute("guest-fsfreeze-freeze").asInt();
    }

    /// Lets them go on.
    public int thaw() {
        return execute("guest-fsfreeze-thaw").asInt();
    }

    private JsonNode execute(String command) {
        // An agent that hangs would hang the caller: the channel is closed under it then.
        ScheduledFuture<?> limit =
                timer.schedule(this::close, patience.toMillis(), TimeUnit.MILLISECONDS);
        try {
            ControlProtocol.writeLine(channel, ControlProtocol.json(Map.of("execute", command)));
            String line = lines.next();
            if (line == null) {
                throw new IOException("end of stream");
            }
            JsonNode reply = JSON.readTree(line);
            if (!reply.has("return")) {
                throw new CisternException(
                        ErrorCode.UNAVAILABLE,
                        "the guest agent at "
                                + path
                                + " refused "
                                + command
                                + ": "
                                + reply.path("error").path("desc").asText());
            }
            return reply.get("return");
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.UNAVAILABLE,
                    "the guest agent at "
                            + path
                            + " does not answer "
                            + command
                            + " within "
                            + patience.toSeconds()
                            + " s",
                    e);
        } finally {
            limit.cancel(false);
        }
    }

    @Override
    public void close() {
        timer.shutdownNow();
        try {
            channel.close();
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "closing " + path + " failed", e);
        }
    }
}
