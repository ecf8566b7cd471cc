package io.cistern.server.api;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonMappingException;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A request as a route's handler sees it.
///
/// @param path values of the route's `{…}` parts, decoded
/// @param query first value of each query parameter, decoded; only those that the route declares
record Request(Map<String, String> path, Map<String, String> query, byte[] body) {

    String part(String name) {
        String value = path.get(name);
        if (value == null) {
            throw new IllegalStateException("the route has no part " + name);
        }
        return value;
    }

    @Nullable String query(String name) {
        return query.get(name);
    }

    /// @throws CisternException INVALID where the body is not such a record
    <T> T body(Class<T> type) {
        if (body.length == 0) {
            throw new CisternException(ErrorCode.INVALID, "the request needs a JSON body");
        }
        try {
            T value = Json.STRICT.readValue(body, type);
            if (value == null) {
                throw new CisternException(ErrorCode.INVALID, "the body must be a JSON object");
            }
            RequiredParts.check(value);
            return value;
        } catch (JsonProcessingException e) {
            String what = where(e) + e.getOriginalMessage().lines().findFirst().orElse("not JSON");
            throw new CisternException(
                    ErrorCode.INVALID, "the body is not as expected: " + what, e);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.INVALID, "cannot read the body: " + e, e);
        }
    }

    private static String where(JsonProcessingException e) {
        if (!(e instanceof JsonMappingException mapping) || mapping.getPath().isEmpty()) {
            return "";
        }
        return "'" + mapping.getPath().getLast().getFieldName() + "': ";
    }
}
