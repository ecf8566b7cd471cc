package io.cistern.volume.system;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.jsontype.NamedType;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.cistern.block.CisternException;
import io.cistern.block.Crc32c;
import io.cistern.block.ErrorCode;
import io.cistern.raft.LogPosition;
import io.cistern.storage.Outcome;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/// The system group's formats.
///
/// A command, in the log and between nodes:
///
/// ```
/// version   u8    1; 2 for NumberNode, ExportVolume and UnexportVolume; 3 for SetPolicy and
///                 GiveUp; 4 for RaiseLevel, and for a JoinNode that says its level; 5 for a
///                 GiveUp that says what the node holds
/// body      JSON  {"type": "CreateVolume", …}, UTF-8, at most SystemCommand.MAX_BYTES in all
/// ```
///
/// or, from format level 2 on ([Level#LATE_REQUESTS]), a command and what it is based on:
///
/// ```
/// version   u8    6
/// since     i64   version of a state that whoever asked had seen before the command was sent for
///                 the first time, 0 or more
/// command         as above, of version 1 to 5
/// ```
///
/// A checkpoint, on disk and when a replica fetches the state from its leader (big endian):
///
/// ```
/// magic     8 bytes  "CISTSYS\n"
/// version   u32      1 where nothing was ever exported (the body has no "targets"), 2 where no
///                    policy was ever set (it has no "policy"), 3 where the level was never
///                    raised (it has no "level"), else 4; 5 and 6 are like 4
/// term      u64      position up to which the state holds everything
/// index     i64
/// length    u32      of the body
/// body      JSON     the SystemState
/// crc       u32      CRC32C of everything before it
/// ```
///
/// A newer version is refused as such (too new), anything else that does not fit as corrupt.
public final class SystemCodec {
    public static final int VERSION = 6;

    /// Longest checkpoint, in bytes.
    public static final int MAX_CHECKPOINT_BYTES = 256 << 20;

    /// Version of a command that says what it is based on.
    private static final byte BASED = 6;

    private static final int BASED_BYTES = 1 + 8;
    private static final byte[] MAGIC = "CISTSYS\n".getBytes(StandardCharsets.US_ASCII);
    private static final int HEADER_BYTES = 8 + 4 + 8 + 8 + 4;

    @JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
    private interface Typed {}

    /// What version 1 does not have.
    @JsonIgnoreProperties({"targets", "policy", "level"})
    private interface First {}

    /// What version 2 does not have.
    @JsonIgnoreProperties({"policy", "level"})
    private interface Second {}

    /// What version 3 does not have, in a state and in a JoinNode.
    @JsonIgnoreProperties("level")
    private interface Third {}

    /// What a GiveUp of before version 5 does not have.
    @JsonIgnoreProperties("held")
    private interface Unheld {}

    /// An outcome of the system group has no reply.
    @JsonIgnoreProperties("reply")
    @SuppressWarnings("UnusedVariable") // read by their annotations
    private abstract static class Plain {
        @JsonCreator
        Plain(
                @JsonProperty("error") ErrorCode error,
                @JsonProperty("message") String message,
                @JsonProperty("value") long value) {}
    }

    private static final String TARGETS = "targets";
    private static final String POLICY = "policy";
    private static final String LEVEL = "level";
    private static final String HELD = "held";
    private static final ObjectMapper JSON = mapper();
    private static final ObjectMapper FIRST = mapper().addMixIn(SystemState.class, First.class);
    private static final ObjectMapper SECOND = mapper().addMixIn(SystemState.class, Second.class);
    private static final ObjectMapper THIRD =
            mapper().addMixIn(SystemState.class, Third.class)
                    .addMixIn(SystemCommand.JoinNode.class, Third.class)
                    .addMixIn(SystemCommand.GiveUp.class, Unheld.class);

    private SystemCodec() {}

    private static ObjectMapper mapper() {
        ObjectMapper mapper =
                JsonMapper.builder()
                        .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                        .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                        .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                        .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
                        .addMixIn(SystemCommand.class, Typed.class)
                        .addMixIn(Outcome.class, Plain.class)
                        .build();
        for (Class<?> type : SystemCommand.class.getPermittedSubclasses()) {
            mapper.registerSubtypes(new NamedType(type, type.getSimpleName()));
        }
        return mapper;
    }

    /// @throws CisternException LIMIT for a command beyond [SystemCommand#MAX_BYTES]
    public static ByteBuffer encode(SystemCommand command) {
        byte version = version(command);
        byte[] body = json(version < 4 ? THIRD : JSON, SystemCommand.class, command);
        if (body.length + 1 > SystemCommand.MAX_BYTES) {
            throw new CisternException(
                    ErrorCode.LIMIT, "a change of " + body.length + " bytes is too large");
        }
        return ByteBuffer.allocate(body.length + 1).put(version).put(body).flip();
    }

    /// As [#encode(SystemCommand)], with the version of a state that was seen before.
    public static ByteBuffer encode(SystemCommand command, long since) {
        ByteBuffer plain = encode(command);
        return ByteBuffer.allocate(BASED_BYTES + plain.remaining())
                .put(BASED)
                .putLong(since)
                .put(plain)
                .flip();
    }

    /// A command and the version of a state that whoever asked had seen, [SystemRules#UNSEEN] where
    /// that is not said.
    public record Asked(SystemCommand command, long since) {}

    private static byte version(SystemCommand command) {
        return switch (command) {
            case SystemCommand.RaiseLevel c -> 4;
            case SystemCommand.JoinNode c -> (byte) (c.level() > 0 ? 4 : 1);
            case SystemCommand.SetPolicy c -> 3;
            case SystemCommand.GiveUp c -> (byte) (c.held().isEmpty() ? 3 : 5);
            case SystemCommand.NumberNode c -> 2;
            case SystemCommand.ExportVolume c -> 2;
            case SystemCommand.UnexportVolume c -> 2;
            default -> 1;
        };
    }

    /// @throws CisternException INVALID (too new), CORRUPT
    public static Asked decode(ByteBuffer encoded) {
        if (!encoded.hasRemaining() || encoded.get(encoded.position()) != BASED) {
            return new Asked(plain(encoded), SystemRules.UNSEEN);
        }
        if (encoded.remaining() < BASED_BYTES) {
            throw corrupt("a command of " + encoded.remaining() + " bytes", null);
        }
        long since = encoded.getLong(encoded.position() + 1);
        if (since < 0) {
            throw corrupt("a command since " + since, null);
        }
        int command = encoded.position() + BASED_BYTES;
        return new Asked(plain(encoded.slice(command, encoded.limit() - command)), since);
    }

    private static SystemCommand plain(ByteBuffer encoded) {
        if (!encoded.hasRemaining() || encoded.remaining() > SystemCommand.MAX_BYTES) {
            throw corrupt("a command of " + encoded.remaining() + " bytes", null);
        }
        int version = encoded.get(encoded.position());
        if (version > VERSION) {
            throw tooNew("command", version);
        }
        if (version == BASED) {
            throw corrupt("a command within a command", null);
        }
        if (version < 1) {
            throw corrupt("a command of version " + version, null);
        }
        byte[] body = new byte[encoded.remaining() - 1];
        encoded.get(encoded.position() + 1, body);
        return command(version, body);
    }

    private static SystemCommand command(int version, byte[] body) {
        String source = "a command";
        try {
            if (!(JSON.readTree(body) instanceof ObjectNode tree)) {
                throw corrupt(source, null);
            }
            String type = tree.path("type").asText();
            if (type.equals(SystemCommand.JoinNode.class.getSimpleName()) && version < 4) {
                add(tree, LEVEL, 0, source);
            }
            if (type.equals(SystemCommand.GiveUp.class.getSimpleName()) && version < 5) {
                add(tree, HELD, List.of(), source);
            }
            return JSON.treeToValue(tree, SystemCommand.class);
        } catch (IOException e) {
            throw corrupt(source, e);
        }
    }

    /// A state and the position up to which it holds everything.
    public record Checkpoint(LogPosition position, SystemState state) {}

    public static byte[] encode(Checkpoint checkpoint) {
        return encode(checkpoint, VERSION);
    }

    /// For a program that reads versions up to `newest`: what is younger is left out. Enough for
    /// whoever uses volumes; a replica needs all.
    ///
    /// @param newest 1 or more
    public static byte[] encode(Checkpoint checkpoint, int newest) {
        int version = Math.min(version(checkpoint.state), newest);
        ObjectMapper mapper =
                switch (version) {
                    case 1 -> FIRST;
                    case 2 -> SECOND;
                    case 3 -> THIRD;
                    default -> JSON;
                };
        byte[] body = json(mapper, SystemState.class, checkpoint.state);
        ByteBuffer out = ByteBuffer.allocate(HEADER_BYTES + body.length + 4);
        out.put(MAGIC).putInt(version);
        out.putLong(checkpoint.position.term()).putLong(checkpoint.position.index());
        out.putInt(body.length).put(body);
        out.putInt(Crc32c.of(out.array(), 0, out.position()));
        return out.array();
    }

    /// The oldest version that can say all of `state`.
    private static int version(SystemState state) {
        if (state.level() > 0) {
            return 4;
        }
        if (!state.policy().equals(SystemState.Policy.DEFAULT)) {
            return 3;
        }
        return state.targets().equals(SystemState.Targets.NONE) ? 1 : 2;
    }

    /// @param source what `encoded` is, for messages
    /// @throws CisternException INVALID (too new), CORRUPT
    public static Checkpoint decodeCheckpoint(byte[] encoded, String source) {
        if (encoded.length < HEADER_BYTES + 4
                || !Arrays.equals(encoded, 0, MAGIC.length, MAGIC, 0, MAGIC.length)) {
            throw corrupt(source + " (not a checkpoint of the system group)", null);
        }
        ByteBuffer in = ByteBuffer.wrap(encoded).position(MAGIC.length);
        int version = in.getInt();
        if (version > VERSION) {
            throw tooNew(source, version);
        }
        LogPosition position = new LogPosition(in.getLong(), in.getLong());
        int length = in.getInt();
        if (version < 1 || length != encoded.length - HEADER_BYTES - 4) {
            throw corrupt(source + " (its length does not fit)", null);
        }
        if (Crc32c.of(encoded, 0, encoded.length - 4) != in.getInt(encoded.length - 4)) {
            throw corrupt(source + " (its checksum does not match)", null);
        }
        byte[] body = new byte[length];
        in.get(body);
        return new Checkpoint(position, state(version, body, source));
    }

    private static SystemState state(int version, byte[] body, String source) {
        try {
            if (!(JSON.readTree(body) instanceof ObjectNode tree)) {
                throw corrupt(source, null);
            }
            if (version < 2) {
                add(tree, TARGETS, SystemState.Targets.NONE, source);
            }
            if (version < 3) {
                add(tree, POLICY, SystemState.Policy.DEFAULT, source);
            }
            if (version < 4) {
                add(tree, LEVEL, 0, source);
            }
            return JSON.treeToValue(tree, SystemState.class);
        } catch (IOException e) {
            throw corrupt(source, e);
        }
    }

    /// Adds what an older version does not have.
    private static void add(ObjectNode tree, String name, Object value, String source) {
        if (tree.has(name)) {
            throw corrupt(source, null);
        }
        tree.set(name, JSON.valueToTree(value));
    }

    private static byte[] json(ObjectMapper mapper, Class<?> type, Object value) {
        try {
            return mapper.writerFor(type).writeValueAsBytes(value);
        } catch (JsonProcessingException e) {
            throw new CisternException(ErrorCode.INTERNAL, "cannot encode " + type, e);
        }
    }

    private static CisternException corrupt(
            String what, @org.jspecify.annotations.Nullable Exception e) {
        String message =
                what
                        + " is damaged; remove this replica's directory to have it rebuilt from its peers";
        return e == null
                ? new CisternException(ErrorCode.CORRUPT, message)
                : new CisternException(ErrorCode.CORRUPT, message, e);
    }

    private static CisternException tooNew(String what, int version) {
        return new CisternException(
                ErrorCode.INVALID,
                what
                        + " has version "
                        + version
                        + ", newer than this program's "
                        + VERSION
                        + "; install the newer program");
    }
}
