package io.cistern.server.api;

import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// One operation of the API.
///
/// @param method GET, POST, PUT or DELETE
/// @param path as `/v1/volumes/{volume}`
/// @param name unique, the OpenAPI operationId
/// @param query parameters by name, with what each means
/// @param body type of the request body, null where there is none
/// @param answer what the answer is
/// @param handler runs on a virtual thread; its result is written as the answer, null as none
record Route(
        String method,
        String path,
        String name,
        String summary,
        Map<String, String> query,
        @Nullable Class<?> body,
        Answer answer,
        Function<Request, @Nullable Object> handler) {

    /// @param type of the answer's JSON, or of its elements; null for none
    /// @param list whether it is an array of them
    /// @param status of a success
    record Answer(@Nullable Class<?> type, boolean list, int status) {
        static final Answer NONE = new Answer(null, false, 204);

        static Answer of(Class<?> type) {
            return new Answer(type, false, 200);
        }

        static Answer created(Class<?> type) {
            return new Answer(type, false, 201);
        }

        static Answer listOf(Class<?> type) {
            return new Answer(type, true, 200);
        }
    }

    List<String> segments() {
        return List.of(path.substring(1).split("/"));
    }
}
