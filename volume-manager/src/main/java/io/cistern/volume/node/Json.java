package io.cistern.volume.node;

import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.jsontype.NamedType;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.io.IOException;

/// Records as JSON, in control messages between nodes and in a node's own file.
final class Json {
    @JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
    private interface Typed {}

    private static final ObjectMapper MAPPER = mapper();

    private Json() {}

    private static ObjectMapper mapper() {
        ObjectMapper mapper =
                JsonMapper.builder()
                        .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                        .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                        .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                        .addMixIn(NodeOrder.class, Typed.class)
                        .build();
        for (Class<?> type : NodeOrder.class.getPermittedSubclasses()) {
            mapper.registerSubtypes(new NamedType(type, type.getSimpleName()));
        }
        return mapper;
    }

    static byte[] bytes(Class<?> type, Object value) {
        try {
            return MAPPER.writerFor(type).writeValueAsBytes(value);
        } catch (JsonProcessingException e) {
            throw new CisternException(ErrorCode.INTERNAL, "cannot encode a " + type, e);
        }
    }

    static ByteBuf buffer(Class<?> type, Object value) {
        return Unpooled.wrappedBuffer(bytes(type, value));
    }

    /// @param source what the bytes are, for the message
    /// @throws CisternException INVALID
    static <T> T parse(Class<T> type, byte[] bytes, String source) {
        try {
            T value = MAPPER.readValue(bytes, type);
            if (value != null) {
                return value;
            }
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.INVALID, source + " cannot be read: " + firstLine(e), e);
        }
        throw new CisternException(ErrorCode.INVALID, source + " is empty");
    }

    static <T> T parse(Class<T> type, ByteBuf buffer, String source) {
        return parse(type, ByteBufUtil.getBytes(buffer), source);
    }

    private static String firstLine(IOException e) {
        return String.valueOf(e.getMessage()).lines().findFirst().orElse("");
    }
}
