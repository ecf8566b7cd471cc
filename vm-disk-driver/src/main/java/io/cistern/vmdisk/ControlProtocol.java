package io.cistern.vmdisk;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// The lines on the driver's control socket: one JSON object each way per request.
///
/// Request: `{"command":"attach","volume":"v1","mode":"exclusive","socket":"/path"}`. Reply:
/// `{"ok":true,"result":…}` or `{"ok":false,"code":"BUSY","message":"…"}`.
final class ControlProtocol {
    /// The control socket's name in the driver's home.
    static final String SOCKET = "control";

    /// Longest request, in bytes.
    static final int MAX_REQUEST_BYTES = 64 << 10;

    /// Longest reply, in bytes.
    static final int MAX_REPLY_BYTES = 16 << 20;

    private static final ObjectMapper JSON = new ObjectMapper();

    private ControlProtocol() {}

    /// A request. Fields that a command does not use are absent.
    ///
    /// @param command `ping`, `attach`, `detach`, `list`, `resize-notify`, `metrics` or `stop`
    /// @param mode `exclusive` (default), `shared` or `read_only`
    /// @param transport `nbd` (default) or `vhost-user`
    /// @param force detach: also under connected clients
    /// @param incoming attach: a guest will be migrated here
    /// @param all resize-notify: also clients that may not survive it
    record Request(
            @Nullable String command,
            @Nullable String volume,
            @Nullable String mode,
            @Nullable String transport,
            @Nullable String socket,
            boolean force,
            boolean all,
            boolean incoming) {

        static Request of(String command, @Nullable String volume) {
            return new Request(command, volume, null, null, null, false, false, false);
        }

        String requiredVolume() {
            if (volume == null) {
                throw new CisternException(
                        ErrorCode.INVALID, "command '" + command + "' needs a volume");
            }
            return volume;
        }

        @Nullable Path path() {
            return socket == null ? null : Path.of(socket);
        }

        AttachMode attachMode() {
            if (mode == null) {
                return AttachMode.EXCLUSIVE;
            }
            for (AttachMode known : AttachMode.values()) {
                if (known.name().equals(mode.toUpperCase(Locale.ROOT).replace('-', '_'))) {
                    return known;
                }
            }
            throw new CisternException(
                    ErrorCode.INVALID,
                    "'" + mode + "' is no mode: use exclusive, shared or read_only");
        }
    }

    static Request parse(String line) {
        try {
            Request request = JSON.readValue(line, Request.class);
            if (request == null || request.command() == null) {
                throw new CisternException(ErrorCode.INVALID, "the request names no command");
            }
            return request;
        } catch (JsonProcessingException e) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "the request is not understood: " + e.getOriginalMessage(),
                    e);
        }
    }

    static String success(Object result) {
        return json(JSON.createObjectNode().put("ok", true).putPOJO("result", result));
    }

    static String failure(CisternException e) {
        return json(
                JSON.createObjectNode()
                        .put("ok", false)
                        .put("code", e.code().name())
                        .put("message", String.valueOf(e.getMessage())));
    }

    /// The result of a reply.
    ///
    /// @throws CisternException what the reply says went wrong; IO where it makes no sense
    static JsonNode result(String line) {
        JsonNode reply;
        try {
            reply = JSON.readTree(line);
        } catch (JsonProcessingException e) {
            throw new CisternException(
                    ErrorCode.IO, "the driver's reply is not understood: " + e.getMessage(), e);
        }
        if (reply.path("ok").asBoolean()) {
            return reply.path("result");
        }
        ErrorCode code = ErrorCode.INTERNAL;
        for (ErrorCode known : ErrorCode.values()) {
            if (known.name().equals(reply.path("code").asText())) {
                code = known;
            }
        }
        throw new CisternException(code, reply.path("message").asText("the driver gave no reason"));
    }

    static <T> T convert(JsonNode node, Class<T> type) {
        try {
            return JSON.treeToValue(node, type);
        } catch (JsonProcessingException e) {
            throw new CisternException(
                    ErrorCode.IO, "the driver's reply is not understood: " + e.getMessage(), e);
        }
    }

    static String json(Object value) {
        try {
            return JSON.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new CisternException(ErrorCode.INTERNAL, "cannot encode " + value, e);
        }
    }

    static void writeLine(WritableByteChannel out, String line) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
    }

    /// Reads lines of bounded length from a channel.
    static final class LineReader {
        private final ReadableByteChannel in;
        private final int maxBytes;
        private final ByteBuffer buffer = ByteBuffer.allocate(4096).limit(0);

        LineReader(ReadableByteChannel in, int maxBytes) {
            this.in = in;
            this.maxBytes = maxBytes;
        }

        /// The next line without its end; null at the end of the stream.
        ///
        /// @throws IOException also where a line is too long or the stream ends within one
        @Nullable String next() throws IOException {
            ByteArrayOutputStream line = new ByteArrayOutputStream();
            while (true) {
                while (buffer.hasRemaining()) {
                    byte b = buffer.get();
                    if (b == '\n') {
                        return line.toString(StandardCharsets.UTF_8);
                    }
                    if (line.size() == maxBytes) {
                        throw new IOException("a line of more than " + maxBytes + " bytes");
                    }
                    line.write(b);
                }
                buffer.clear();
                int n = in.read(buffer);
                buffer.flip();
                if (n < 0) {
                    if (line.size() > 0) {
                        throw new IOException("the stream ends within a line");
                    }
                    return null;
                }
            }
        }
    }
}
