package io.cistern.server.api;

import io.cistern.server.api.Requests.HealthAnswer;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.ClusterStatus.Health;
import java.nio.charset.StandardCharsets;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// What is served beside the routes.
///
/// @param openApi the document as JSON
record Pages(byte[] openApi, Supplier<String> metrics, ClusterAdmin admin) {

    record Page(int status, String type, byte[] body) {}

    /// @return null where there is no such page
    @Nullable Page get(String path) {
        return switch (path) {
            case "/openapi.json" -> new Page(200, ApiHandler.JSON, openApi);
            case "/metrics" ->
                    new Page(
                            200,
                            "text/plain; version=0.0.4; charset=utf-8",
                            metrics.get().getBytes(StandardCharsets.UTF_8));
            case "/health" -> health();
            default -> null;
        };
    }

    /// 200 while every volume works, 503 otherwise.
    private Page health() {
        ClusterStatus status = admin.status();
        int code = status.health() == Health.UNAVAILABLE ? 503 : 200;
        byte[] body = Json.bytes(new HealthAnswer(status.health().name(), status.reasons()));
        return new Page(code, ApiHandler.JSON, body);
    }
}
