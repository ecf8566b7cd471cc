package io.cistern.server.api;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// Finds the route of a request.
final class Router {
    private final List<Route> routes;

    Router(List<Route> routes) {
        this.routes = List.copyOf(routes);
    }

    List<Route> routes() {
        return routes;
    }

    /// @param route null where no route has the path
    /// @param allowed the methods the path has; empty where no route has the path
    record Match(
            @Nullable Route route,
            Map<String, String> parts,
            Map<String, String> query,
            List<String> allowed) {}

    /// @param uri path and query as sent
    /// @throws CisternException INVALID for a query parameter that the route does not have, or bad
    ///   percent encoding
    Match match(String method, String uri) {
        int mark = uri.indexOf('?');
        String path = mark < 0 ? uri : uri.substring(0, mark);
        List<String> segments = new ArrayList<>();
        for (String s : path.substring(Math.min(1, path.length())).split("/", -1)) {
            segments.add(decode(s));
        }
        TreeSet<String> allowed = new TreeSet<>();
        for (Route route : routes) {
            Map<String, String> parts = parts(route, segments);
            if (parts == null) {
                continue;
            }
            if (route.method().equals(method)) {
                Map<String, String> query = query(route, mark < 0 ? "" : uri.substring(mark + 1));
                return new Match(route, parts, query, List.of(method));
            }
            allowed.add(route.method());
        }
        return new Match(null, Map.of(), Map.of(), List.copyOf(allowed));
    }

    private static @Nullable Map<String, String> parts(Route route, List<String> segments) {
        List<String> wanted = route.segments();
        if (wanted.size() != segments.size()) {
            return null;
        }
        Map<String, String> parts = new HashMap<>();
        for (int i = 0; i < wanted.size(); i++) {
            String w = wanted.get(i);
            String s = segments.get(i);
            if (w.startsWith("{")) {
                if (s.isEmpty()) {
                    return null;
                }
                parts.put(w.substring(1, w.length() - 1), s);
            } else if (!w.equals(s)) {
                return null;
            }
        }
        return parts;
    }

    private static Map<String, String> query(Route route, String text) {
        Map<String, String> query = new HashMap<>();
        for (String pair : text.split("&")) {
            if (pair.isEmpty()) {
                continue;
            }
            int equals = pair.indexOf('=');
            String name = decode(equals < 0 ? pair : pair.substring(0, equals));
            String value = equals < 0 ? "" : decode(pair.substring(equals + 1));
            if (!route.query().containsKey(name)) {
                throw new CisternException(
                        ErrorCode.INVALID, "unknown query parameter '" + name + "'");
            }
            query.putIfAbsent(name, value);
        }
        return query;
    }

    private static String decode(String text) {
        try {
            return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw new CisternException(
                    ErrorCode.INVALID, "the path or query has bad percent encoding", e);
        }
    }
}
