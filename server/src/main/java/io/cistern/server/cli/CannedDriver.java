package io.cistern.server.cli;

import io.cistern.server.api.Json;
import io.cistern.server.local.LocalHome;
import io.cistern.storage.Command.AttachMode;
import io.cistern.vmdisk.AttachmentView;
import io.cistern.vmdisk.Transport;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/// Answers on a home's control socket as a driver would, the same to everyone. For [WarmUp].
final class CannedDriver implements AutoCloseable {
    private final ServerSocketChannel listener;

    private CannedDriver(ServerSocketChannel listener) {
        this.listener = listener;
    }

    /// @param clusterId of the cluster that it says it serves
    static CannedDriver start(Path home, String clusterId) throws IOException {
        Path directory = Files.createDirectories(new LocalHome(home).driver());
        Files.write(
                directory.resolve("cluster.json"),
                Json.bytes(
                        new LocalDriver.ClusterFile(clusterId, List.of("127.0.0.1:7481"), null)));
        ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(directory.resolve("control")));
        CannedDriver driver = new CannedDriver(listener);
        Thread.ofPlatform().daemon().name("canned-driver").start(driver::serve);
        return driver;
    }

    private void serve() {
        while (listener.isOpen()) {
            try (SocketChannel channel = listener.accept();
                    BufferedReader lines =
                            new BufferedReader(
                                    Channels.newReader(channel, StandardCharsets.UTF_8))) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    channel.write(ByteBuffer.wrap(answer(line)));
                }
            } catch (IOException e) {
                return; // closed
            }
        }
    }

    private static byte[] answer(String line) {
        Object result =
                line.contains("\"attach\"")
                        ? new AttachmentView(
                                "v",
                                AttachMode.EXCLUSIVE,
                                line.contains(Transport.VHOST_USER.word())
                                        ? Transport.VHOST_USER
                                        : Transport.NBD,
                                false,
                                "/s",
                                "open",
                                "",
                                1L << 30,
                                List.of(),
                                null)
                        : Map.of("pid", 1);
        String json = new String(Json.bytes(result), StandardCharsets.UTF_8);
        return ("{\"ok\":true,\"result\":" + json + "}\n").getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public void close() throws IOException {
        listener.close();
    }
}
