package io.cistern.server.api;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;

/// JSON as the API speaks it: records by their component names.
public final class Json {
    private static final ObjectMapper BASE =
            JsonMapper.builder()
                    .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                    .disable(SerializationFeature.FAIL_ON_EMPTY_BEANS)
                    .build();

    /// Refuses what it does not know: for requests.
    static final ObjectMapper STRICT = strict();

    /// Skips what it does not know: for answers, which may come from a newer server.
    static final ObjectMapper LENIENT =
            BASE.copy()
                    .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                    .enable(DeserializationFeature.READ_UNKNOWN_ENUM_VALUES_AS_NULL);

    private static final ObjectWriter PRETTY = BASE.writerWithDefaultPrettyPrinter();

    private Json() {}

    private static ObjectMapper strict() {
        ObjectMapper mapper = BASE.copy().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
        mapper.getFactory()
                .setStreamReadConstraints(
                        StreamReadConstraints.builder()
                                .maxNestingDepth(16)
                                .maxStringLength(65536)
                                .maxNumberLength(32)
                                .build());
        return mapper;
    }

    public static byte[] bytes(Object value) {
        try {
            return BASE.writeValueAsBytes(value);
        } catch (JsonProcessingException e) {
            throw new CisternException(
                    ErrorCode.INTERNAL, "cannot write an answer as JSON: " + e.getMessage(), e);
        }
    }

    /// Indented, for people and for `-o json`.
    public static String pretty(Object value) {
        try {
            return PRETTY.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new CisternException(
                    ErrorCode.INTERNAL, "cannot write JSON: " + e.getMessage(), e);
        }
    }
}
