package io.cistern.server.api;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.api.Route.Answer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// A part of the API, row by row.
abstract class RouteTable {
    private final List<Route> routes = new ArrayList<>();

    final List<Route> all() {
        return List.copyOf(routes);
    }

    final void get(String path, String name, String summary, Answer answer, Handler handler) {
        add(new Route("GET", path, name, summary, Map.of(), null, answer, handler));
    }

    final void delete(String path, String name, String summary, Answer answer, Handler handler) {
        add(new Route("DELETE", path, name, summary, Map.of(), null, answer, handler));
    }

    @SuppressWarnings("TooManyParameters") // a table row
    final void post(
            String path,
            String name,
            String summary,
            @Nullable Class<?> body,
            Answer answer,
            Handler handler) {
        add(new Route("POST", path, name, summary, Map.of(), body, answer, handler));
    }

    @SuppressWarnings("TooManyParameters") // a table row
    final void put(
            String path,
            String name,
            String summary,
            Class<?> body,
            Answer answer,
            Handler handler) {
        add(new Route("PUT", path, name, summary, Map.of(), body, answer, handler));
    }

    final void add(Route route) {
        routes.add(route);
    }

    interface Handler extends Function<Request, @Nullable Object> {}

    static String required(Request r, String name) {
        String value = r.query(name);
        if (value == null) {
            throw new CisternException(
                    ErrorCode.INVALID, "the query parameter '" + name + "' is missing");
        }
        return value;
    }

    static long offset(Request r) {
        String text = r.query("offset");
        return text == null ? 0 : number("offset", text);
    }

    static long number(String what, String text) {
        try {
            return Long.parseLong(text);
        } catch (NumberFormatException e) {
            throw new CisternException(
                    ErrorCode.INVALID, what + " '" + text + "' is not a number", e);
        }
    }
}
