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
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/// QEMU's guest agent behind a Unix socket: it freezes the guest's file systems for a snapshot. For
/// one thread. A guest that does not answer within the patience given is not waited for.
///
/// The agent cannot tell its clients apart: an answer to an earlier one may still be in the
/// channel. So each connection begins with `guest-sync`, and passes over whatever comes before its
/// answer.
public final class GuestAgent implements AutoCloseable {
    private static final int MAX_LINE_BYTES = 1 << 20;

    /// Most answers to earlier clients that are passed over.
    private static final int MAX_STALE = 64;

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

    /// @throws CisternException UNAVAILABLE where nothing answers there within `patience`
    public static GuestAgent connect(Path path, Duration patience) {
        try {
            SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            try {
                channel.connect(UnixDomainSocketAddress.of(path));
                GuestAgent agent = new GuestAgent(path, channel, patience);
                try {
                    agent.sync();
                    return agent;
                } catch (RuntimeException e) {
                    agent.close();
                    throw e;
                }
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

    private void sync() {
        long id = ThreadLocalRandom.current().nextInt(1, Integer.MAX_VALUE);
        within(
                "guest-sync",
                () -> {
                    send(Map.of("execute", "guest-sync", "arguments", Map.of("id", id)));
                    JsonNode reply = receive();
                    for (int passed = 0; reply.path("return").asLong(-1) != id; passed++) {
                        if (passed == MAX_STALE) {
                            throw new IOException("it answers everything but what it is asked");
                        }
                        reply = receive();
                    }
                    return reply;
                });
    }

    private JsonNode execute(String command) {
        return within(
                command,
                () -> {
                    send(Map.of("execute", command));
                    JsonNode reply = receive();
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
                });
    }

    private void send(Map<String, Object> request) throws IOException {
        ControlProtocol.writeLine(channel, ControlProtocol.json(request));
    }

    private JsonNode receive() throws IOException {
        String line = lines.next();
        if (line == null) {
            throw new IOException("end of stream");
        }
        return JSON.readTree(line);
    }

    private interface Exchange {
        JsonNode run() throws IOException;
    }

    private JsonNode within(String command, Exchange exchange) {
        // An agent that hangs would hang the caller: the channel is closed under it then.
        ScheduledFuture<?> limit =
                timer.schedule(this::close, patience.toMillis(), TimeUnit.MILLISECONDS);
        try {
            return exchange.run();
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
