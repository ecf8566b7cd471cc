package io.cistern.vmdisk;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.vmdisk.vhost.Native;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// A running QEMU's monitor (QMP) on a Unix socket, as `-qmp unix:PATH,server=on,wait=off` gives
/// it. For one thread.
public final class QemuMonitor implements AutoCloseable {
    private static final int MAX_LINE_BYTES = 16 << 20;
    private static final long RETRY_MS = 100;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path path;
    private final SocketChannel channel;
    private final ControlProtocol.LineReader lines;

    private QemuMonitor(Path path, SocketChannel channel) {
        this.path = path;
        this.channel = channel;
        this.lines = new ControlProtocol.LineReader(channel, MAX_LINE_BYTES);
    }

    /// Connects and leaves the negotiation phase.
    ///
    /// @throws CisternException UNAVAILABLE where no QEMU answers there
    public static QemuMonitor connect(Path path) {
        try {
            SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            try {
                channel.connect(UnixDomainSocketAddress.of(path));
                QemuMonitor monitor = new QemuMonitor(path, channel);
                monitor.read();
                monitor.execute("qmp_capabilities", Map.of());
                return monitor;
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.UNAVAILABLE,
                    "no QEMU monitor answers on " + path + ": " + e.getMessage(),
                    e);
        }
    }

    /// Makes the guest see that the volume has grown, while it runs.
    ///
    /// QEMU 7.2 learns an NBD export's size only when it connects, and connects only when it has a
    /// request to send. So the driver has first to end QEMU's connection
    /// ([DriverClient#notifyResize] does); here QEMU is made to send a flush, which connects it
    /// anew, and is then told to resize the disk. Repeats both until QEMU agrees.
    ///
    /// @param nbdSocket the volume's socket, as QEMU was given it
    /// @return how many disks were resized
    /// @throws CisternException NOT_FOUND where that QEMU has no disk on the socket; UNAVAILABLE
    ///   with QEMU's last reason where it does not take the size within `patience`
    public int grow(Path nbdSocket, long sizeBytes, Duration patience) {
        List<String> disks = disksOn(nbdSocket);
        if (disks.isEmpty()) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND,
                    "the QEMU at " + path + " has no disk on the socket " + nbdSocket);
        }
        long end = System.nanoTime() + patience.toNanos();
        for (String disk : disks) {
            while (true) {
                execute(
                        "human-monitor-command",
                        Map.of("command-line", "qemu-io " + disk + " flush"));
                try {
                    execute("block_resize", Map.of("node-name", disk, "size", sizeBytes));
                    break;
                } catch (CisternException e) {
                    if (System.nanoTime() > end) {
                        throw e;
                    }
                    pause();
                }
            }
        }
        return disks.size();
    }

    /// The sizes in bytes that QEMU's block nodes have, by node name.
    public Map<String, Long> sizes() {
        Map<String, Long> sizes = new java.util.LinkedHashMap<>();
        for (JsonNode node : execute("query-named-block-nodes", Map.of("flat", true))) {
            sizes.put(
                    node.path("node-name").asText(),
                    node.path("image").path("virtual-size").asLong());
        }
        return sizes;
    }

    /// QEMU's process, as far as it has made its monitor's socket itself; 0 where unknown.
    public int pid() {
        try {
            return Native.listenerPid(path.toString());
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.UNAVAILABLE, "no QEMU monitor answers on " + path, e);
        }
    }

    /// Runs `task` while the guest stands still: all of its requests are answered, and none comes.
    ///
    /// @return for how many nanoseconds it stood still; 0 where it did not run before
    public long paused(Runnable task) {
        boolean running = execute("query-status", Map.of()).path("running").asBoolean();
        if (!running) {
            task.run();
            return 0;
        }
        long start = System.nanoTime();
        execute("stop", Map.of());
        try {
            task.run();
        } finally {
            execute("cont", Map.of());
        }
        return System.nanoTime() - start;
    }

    /// Runs a command.
    ///
    /// @return what it returned
    /// @throws CisternException UNAVAILABLE with QEMU's reason where it failed
    public JsonNode execute(String command, Map<String, ?> arguments) {
        try {
            ControlProtocol.writeLine(
                    channel,
                    ControlProtocol.json(Map.of("execute", command, "arguments", arguments)));
            while (true) {
                JsonNode reply = read();
                if (reply.has("return")) {
                    return reply.get("return");
                }
                if (reply.has("error")) {
                    throw new CisternException(
                            ErrorCode.UNAVAILABLE,
                            "QEMU at "
                                    + path
                                    + " refused "
                                    + command
                                    + ": "
                                    + reply.path("error").path("desc").asText());
                }
            }
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.UNAVAILABLE,
                    "the QEMU monitor at " + path + " is gone: " + e.getMessage(),
                    e);
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "closing " + path + " failed", e);
        }
    }

    /// The nodes to resize: NBD nodes on that socket or, where a raw format node stands on one,
    /// that.
    private List<String> disksOn(Path nbdSocket) {
        List<String> protocol = new ArrayList<>();
        List<String> format = new ArrayList<>();
        for (JsonNode node : execute("query-named-block-nodes", Map.of("flat", true))) {
            String file = node.path("file").asText();
            if (file.startsWith("nbd+unix:") && file.endsWith("?socket=" + nbdSocket)) {
                boolean nbd = node.path("drv").asText().equals("nbd");
                (nbd ? protocol : format).add(node.path("node-name").asText());
            }
        }
        return format.isEmpty() ? protocol : format;
    }

    private JsonNode read() throws IOException {
        String line = lines.next();
        if (line == null) {
            throw new IOException("end of stream");
        }
        return JSON.readTree(line);
    }

    private static void pause() {
        try {
            Thread.sleep(RETRY_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted", e);
        }
    }
}
