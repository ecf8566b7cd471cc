package io.cistern.server.api;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeSpec;
import java.lang.reflect.Method;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class OpenApiTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final JsonNode document = JSON.valueToTree(ApiServer.document(new FakeAdmin()));

    @Test
    void theCommittedDocumentIsUpToDate() throws Exception {
        Path file = Path.of(System.getProperty("cistern.repo", ".."), "docs/openapi.json");
        assertThat(JSON.readTree(Files.readString(file)))
                .as("write it by GeneratedDocs")
                .isEqualTo(document);
    }

    @Test
    void everyReferenceResolvesAndEveryPathParameterIsDeclared() {
        List<String> references = document.findValuesAsText("$ref");
        assertThat(references).isNotEmpty();
        for (String reference : references) {
            assertThat(document.at(reference.substring(1)).isMissingNode()).as(reference).isFalse();
        }
        Set<String> ids = new TreeSet<>();
        document.path("paths")
                .properties()
                .forEach(path ->
                        path.getValue()
                                .properties()
                                .forEach(op -> {
                                    ids.add(op.getValue().path("operationId").asText());
                                    long declared =
                                            op
                                                    .getValue()
                                                    .path("parameters")
                                                    .findValuesAsText("in")
                                                    .stream()
                                                    .filter("path"::equals)
                                                    .count();
                                    assertThat(declared)
                                            .as(path.getKey())
                                            .isEqualTo(
                                                    path.getKey()
                                                            .chars()
                                                            .filter(c -> c == '{')
                                                            .count());
                                }));
        assertThat(ids).hasSizeGreaterThan(25);
    }

    /// Everything an administrator does can be done over the API: one operation per method.
    @Test
    void coversTheFacade() {
        Set<String> methods =
                Arrays.stream(ClusterAdmin.class.getDeclaredMethods())
                        .map(Method::getName)
                        .collect(Collectors.toSet());
        long operations = document.findValuesAsText("operationId").size();
        assertThat(operations).isGreaterThanOrEqualTo(methods.size());
    }

    /// Real answers are what the document says they are.
    @Test
    void answersFitTheirSchemas() throws Exception {
        try (TestApi api = new TestApi();
                HttpClient http = HttpClient.newHttpClient()) {
            api.admin.createVolume(VolumeSpec.of("vm1", 1 << 20));
            api.admin.attach("vm1", AttachMode.SHARED);
            api.admin.createSnapshots(List.of(new SnapshotName("vm1", "s")));
            for (String path :
                    List.of(
                            "/v1/status",
                            "/v1/self",
                            "/v1/volumes",
                            "/v1/volumes/vm1",
                            "/v1/volumes/vm1/snapshots",
                            "/v1/volumes/vm1/diff?from=s",
                            "/v1/attachments",
                            "/v1/nodes",
                            "/v1/disks",
                            "/v1/volumes/none")) {
                var response =
                        http.send(
                                HttpRequest.newBuilder(URI.create(api.url() + path)).build(),
                                BodyHandlers.ofString());
                String template =
                        path.replaceFirst("\\?.*", "").replaceFirst("/(vm1|none)", "/{volume}");
                JsonNode responses =
                        document.path("paths").path(template).path("get").path("responses");
                JsonNode schema =
                        responses
                                .path(response.statusCode() == 200 ? "200" : "default")
                                .at("/content/application~1json/schema");
                assertThat(schema.isMissingNode()).as(path).isFalse();
                List<String> problems = new ArrayList<>();
                validate(JSON.readTree(response.body()), schema, path, problems);
                assertThat(problems).isEmpty();
            }
        }
    }

    @Test
    void theValidatorFindsWhatDoesNotFit() throws Exception {
        JsonNode schema = document.at("/components/schemas/SetSize");
        for (String wrong :
                List.of("{}", "{\"sizeBytes\":\"x\"}", "{\"sizeBytes\":1,\"y\":1}", "[]")) {
            List<String> problems = new ArrayList<>();
            validate(JSON.readTree(wrong), schema, "", problems);
            assertThat(problems).as(wrong).isNotEmpty();
        }
    }

    private void validate(JsonNode value, JsonNode schema, String at, List<String> problems) {
        if (schema.has("$ref")) {
            validate(value, document.at(schema.path("$ref").asText().substring(1)), at, problems);
            return;
        }
        if (schema.has("anyOf")) {
            boolean fits = false;
            for (JsonNode one : schema.path("anyOf")) {
                List<String> found = new ArrayList<>();
                validate(value, one, at, found);
                fits |= found.isEmpty();
            }
            if (!fits) {
                problems.add(at + " fits none");
            }
            return;
        }
        boolean typed =
                switch (schema.path("type").asText()) {
                    case "string" -> value.isTextual();
                    case "integer" -> value.isIntegralNumber();
                    case "number" -> value.isNumber();
                    case "boolean" -> value.isBoolean();
                    case "null" -> value.isNull();
                    case "array" -> value.isArray();
                    case "object" -> value.isObject();
                    default -> false;
                };
        if (!typed) {
            problems.add(at + " is not " + schema.path("type"));
            return;
        }
        if (schema.has("enum") && !schema.path("enum").valueStream().toList().contains(value)) {
            problems.add(at + " is not one of " + schema.path("enum"));
        }
        for (int i = 0; i < value.size() && value.isArray(); i++) {
            validate(value.get(i), schema.path("items"), at + "[" + i + "]", problems);
        }
        if (value.isObject()) {
            schema.path("required")
                    .forEach(r -> {
                        if (!value.has(r.asText())) {
                            problems.add(at + " lacks " + r);
                        }
                    });
            value.properties()
                    .forEach(p -> {
                        JsonNode inner = schema.path("properties").path(p.getKey());
                        if (inner.isMissingNode()) {
                            problems.add(at + " has unknown " + p.getKey());
                        } else {
                            validate(p.getValue(), inner, at + "." + p.getKey(), problems);
                        }
                    });
        }
    }
}
