package io.cistern.vmdisk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cistern.block.CisternException;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The client of QEMU's guest agent, with something that speaks its protocol.
@Timeout(20)
class GuestAgentTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    @TempDir Path directory = Path.of("");

    private final List<String> asked = new CopyOnWriteArrayList<>();

    /// Answers one client; the channel begins with what an earlier one did not wait for.
    private Path agent(Function<JsonNode, String> answers) throws IOException {
        Path path = directory.resolve("agent");
        ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(path));
        Thread.ofVirtual().start(() -> serve(listener, answers));
        return path;
    }

    private void serve(ServerSocketChannel listener, Function<JsonNode, String> answers) {
        try (listener;
                SocketChannel client = listener.accept()) {
            say(client, "{\"return\": 17}");
            say(client, "{\"error\": {\"desc\": \"stale\"}}");
            BufferedReader in =
                    new BufferedReader(Channels.newReader(client, StandardCharsets.UTF_8));
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                JsonNode request = JSON.readTree(line);
                asked.add(request.path("execute").asText());
                String answer =
                        request.path("execute").asText().equals("guest-sync")
                                ? "{\"return\": " + request.at("/arguments/id").asLong() + "}"
                                : answers.apply(request);
                say(client, answer);
            }
        } catch (IOException e) {
            asked.add(e.toString());
        }
    }

    private static void say(SocketChannel client, String line) throws IOException {
        client.write(ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void answersToEarlierClientsArePassedOver() throws IOException {
        Path path = agent(request -> "{\"return\": 2}");
        try (GuestAgent agent = GuestAgent.connect(path, PATIENCE)) {
            assertThat(agent.freeze()).isEqualTo(2);
            assertThat(agent.thaw()).isEqualTo(2);
        }
        assertThat(asked).startsWith("guest-sync", "guest-fsfreeze-freeze", "guest-fsfreeze-thaw");
    }

    @Test
    void aRefusalSaysWhy() throws IOException {
        Path path = agent(request -> "{\"error\": {\"desc\": \"no such command\"}}");
        try (GuestAgent agent = GuestAgent.connect(path, PATIENCE)) {
            assertThatThrownBy(agent::freeze)
                    .isInstanceOf(CisternException.class)
                    .hasMessageContaining("refused guest-fsfreeze-freeze: no such command");
        }
    }

    @Test
    void aSilentAgentIsNotWaitedFor() throws IOException {
        try (ServerSocketChannel mute = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            Path silent = directory.resolve("silent");
            mute.bind(UnixDomainSocketAddress.of(silent));
            assertThatThrownBy(() -> GuestAgent.connect(silent, Duration.ofMillis(200)))
                    .isInstanceOf(CisternException.class)
                    .hasMessageContaining("does not answer guest-sync");
        }
    }
}
