package io.cistern.server.api;

import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// The OpenAPI 3.1 document, derived from the routes and from the records they take and give.
final class OpenApi {
    private final TreeMap<String, Object> schemas = new TreeMap<>();

    /// The document as maps and lists, ready to be written as JSON.
    static Map<String, Object> document(List<Route> routes, String version) {
        return new OpenApi().build(routes, version);
    }

    private Map<String, Object> build(List<Route> routes, String version) {
        Map<String, Map<String, Object>> paths = new LinkedHashMap<>();
        for (Route route : routes) {
            paths.computeIfAbsent(route.path(), p -> new LinkedHashMap<>())
                    .put(route.method().toLowerCase(java.util.Locale.ROOT), operation(route));
        }
        Map<String, Object> components = new LinkedHashMap<>();
        components.put("schemas", schemas);
        components.put(
                "securitySchemes", Map.of("token", ordered("type", "http", "scheme", "bearer")));
        return ordered(
                "openapi",
                "3.1.0",
                "info",
                ordered(
                        "title",
                        "Cistern",
                        "version",
                        version,
                        "description",
                        "Replicated volumes and shares. A failed request is answered with a Failure."),
                "paths",
                paths,
                "components",
                components,
                // two alternatives: with a token where one is configured, and without
                "security",
                List.of(Map.of("token", List.of()), Map.of()));
    }

    private Map<String, Object> operation(Route route) {
        Map<String, Object> operation =
                ordered("operationId", route.name(), "summary", route.summary());
        List<Object> parameters = new ArrayList<>();
        for (String segment : route.segments()) {
            if (segment.startsWith("{")) {
                parameters.add(
                        ordered(
                                "name",
                                segment.substring(1, segment.length() - 1),
                                "in",
                                "path",
                                "required",
                                true,
                                "schema",
                                Map.of("type", "string")));
            }
        }
        for (String name : new TreeSet<>(route.query().keySet())) {
            parameters.add(
                    ordered(
                            "name",
                            name,
                            "in",
                            "query",
                            "description",
                            route.query().get(name),
                            "schema",
                            Map.of("type", "string")));
        }
        if (!parameters.isEmpty()) {
            operation.put("parameters", parameters);
        }
        Class<?> body = route.body();
        if (body != null) {
            operation.put("requestBody", ordered("required", true, "content", json(schema(body))));
        }
        Map<String, Object> success = ordered("description", "Done");
        Class<?> type = route.answer().type();
        if (type != null) {
            Map<String, Object> schema = schema(type);
            success.put(
                    "content",
                    json(
                            route.answer().list()
                                    ? ordered("type", "array", "items", schema)
                                    : schema));
        }
        operation.put(
                "responses",
                ordered(
                        String.valueOf(route.answer().status()),
                        success,
                        "default",
                        ordered(
                                "description",
                                "Failed",
                                "content",
                                json(schema(Requests.Failure.class)))));
        return operation;
    }

    private static Map<String, Object> json(Map<String, Object> schema) {
        return ordered("application/json", ordered("schema", schema));
    }

    private Map<String, Object> schema(Type type) {
        if (type instanceof ParameterizedType p && p.getRawType() == List.class) {
            return ordered("type", "array", "items", schema(p.getActualTypeArguments()[0]));
        }
        if (!(type instanceof Class<?> c)) {
            throw new IllegalStateException("no schema for " + type);
        }
        if (c == String.class) {
            return ordered("type", "string");
        }
        if (c == boolean.class || c == Boolean.class) {
            return ordered("type", "boolean");
        }
        if (c == long.class || c == Long.class) {
            return ordered("type", "integer", "format", "int64");
        }
        if (c == int.class || c == Integer.class) {
            return ordered("type", "integer", "format", "int32");
        }
        if (c == double.class || c == Double.class) {
            return ordered("type", "number");
        }
        if (!schemas.containsKey(c.getSimpleName())) {
            schemas.put(c.getSimpleName(), Map.of()); // ends recursion
            schemas.put(c.getSimpleName(), c.isEnum() ? words(c) : object(c));
        }
        return ordered("$ref", "#/components/schemas/" + c.getSimpleName());
    }

    private static Map<String, Object> words(Class<?> c) {
        return ordered(
                "type",
                "string",
                "enum",
                Arrays.stream(c.getEnumConstants()).map(Object::toString).toList());
    }

    private Map<String, Object> object(Class<?> c) {
        if (!c.isRecord()) {
            throw new IllegalStateException("no schema for " + c);
        }
        Map<String, Object> properties = new LinkedHashMap<>();
        List<String> required = new ArrayList<>();
        for (RecordComponent component : c.getRecordComponents()) {
            Map<String, Object> schema = schema(component.getGenericType());
            if (RequiredParts.required(component)) {
                required.add(component.getName());
            } else {
                schema = ordered("anyOf", List.of(schema, Map.of("type", "null")));
            }
            properties.put(component.getName(), schema);
        }
        Map<String, Object> object = ordered("type", "object", "properties", properties);
        if (!required.isEmpty()) {
            object.put("required", required);
        }
        return object;
    }

    private static Map<String, Object> ordered(@Nullable Object... keysAndValues) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            Object value = keysAndValues[i + 1];
            if (value != null) {
                map.put(String.valueOf(keysAndValues[i]), value);
            }
        }
        return map;
    }
}
