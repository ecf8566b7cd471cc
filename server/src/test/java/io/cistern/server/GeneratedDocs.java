package io.cistern.server;

import io.cistern.server.api.ApiServer;
import io.cistern.server.api.FakeAdmin;
import io.cistern.server.api.Json;
import io.cistern.server.config.ConfigDoc;
import io.cistern.server.metrics.Metric;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Writes the pages under `docs/` that tests compare with the code. Run its main method with the
/// repository's folder after changing a configuration key, a metric or a route.
public final class GeneratedDocs {
    private GeneratedDocs() {}

    public static void main(String[] arguments) throws IOException {
        Path docs = Path.of(arguments[0], "docs");
        Files.writeString(docs.resolve("configuration.md"), ConfigDoc.markdown());
        Files.writeString(docs.resolve("metrics.md"), Metric.markdown());
        Files.writeString(
                docs.resolve("openapi.json"),
                Json.pretty(ApiServer.document(new FakeAdmin())) + "\n");
    }
}
