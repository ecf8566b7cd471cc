package io.cistern.server.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.config.ServerConfig.ApiConfig;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.ClusterStatus.Health;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeSpec;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ApiServerTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpClient http = HttpClient.newHttpClient();
    private TestApi api = new TestApi();

    @AfterEach
    void close() {
        api.close();
        http.close();
    }

    private HttpResponse<String> call(String method, String path, String body, String... headers)
            throws Exception {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create(api.url() + path))
                        .timeout(Duration.ofSeconds(20))
                        .method(
                                method,
                                body.isEmpty()
                                        ? BodyPublishers.noBody()
                                        : BodyPublishers.ofString(body));
        if (headers.length > 0) {
            request.headers(headers);
        }
        return http.send(request.build(), BodyHandlers.ofString());
    }

    private HttpResponse<String> json(String method, String path, String body) throws Exception {
        return call(method, path, body, "Content-Type", "application/json");
    }

    @Test
    void createsAndShowsAVolume() throws Exception {
        HttpResponse<String> made =
                json("POST", "/v1/volumes", "{\"name\":\"vm1\",\"sizeBytes\":1048576}");
        assertThat(made.statusCode()).isEqualTo(201);
        JsonNode v = JSON.readTree(call("GET", "/v1/volumes/vm1", "").body());
        assertThat(v.path("sizeBytes").asLong()).isEqualTo(1 << 20);
        assertThat(v.path("group").asText()).isEqualTo("g1");
        assertThat(v.path("leader").asText()).isEqualTo("n1");
        HttpResponse<String> gone = call("DELETE", "/v1/volumes/vm1", "");
        assertThat(gone.statusCode()).isEqualTo(204);
        assertThat(gone.body()).isEmpty();
        assertThat(call("GET", "/v1/volumes/vm1", "").statusCode()).isEqualTo(404);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "POST | /v1/volumes | {\"name\":\"a\"                          | 400 | the body is not as expected",
                "POST | /v1/volumes | {\"name\":\"a\"}                         | 400 | sizeBytes",
                "POST | /v1/volumes | {\"sizeBytes\":4096}                     | 400 | name",
                "POST | /v1/volumes | {\"name\":\"a\",\"sizeBytes\":1,\"x\":2} | 400 | x",
                "POST | /v1/volumes | {\"name\":\"a\",\"sizeBytes\":\"much\"}  | 400 | sizeBytes",
                "POST | /v1/volumes | {\"name\":\"A\",\"sizeBytes\":4096}      | 400 | volume name",
                "POST | /v1/volumes | null                                     | 400 | JSON object",
                "POST | /v1/volumes | []                                       | 400 | not as expected",
                "POST | /v1/volumes | {\"name\":\"a\",\"sizeBytes\":100}       | 400 | multiple of 512",
                "PUT  | /v1/volumes/x/limits | {\"iops\":-1,\"bytesPerSecond\":0} | 400 | negative",
                "POST | /v1/snapshots | {\"snapshots\":[\"x\"]}                | 400 | names no snapshot",
                "POST | /v1/snapshots | {\"snapshots\":[null]}                 | 400 | null",
                "POST | /v1/clones | {\"snapshot\":\"a@b\",\"names\":[null]}   | 400 | null",
                "POST | /v1/clones | {\"snapshot\":\"a\",\"names\":[\"x\"]}     | 400 | names no snapshot",
                "POST | /v1/clones | {\"snapshot\":\"a@b\",\"names\":[\"x\"]}   | 404 | there is no volume a",
                "GET  | /v1/volumes/none |                                     | 404 | there is no volume none",
                "GET  | /v1/volumes/a%2Fb |                                    | 404 | a/b",
                "GET  | /v1/volumes?x=1 |                                      | 400 | unknown query parameter 'x'",
                "GET  | /v1/volumes/x/diff |                                   | 400 | 'from' is missing",
                "GET  | /v2/volumes |                                          | 404 | no such resource",
                "GET  | / |                                                    | 404 | no such resource",
                "PUT  | /v1/volumes |                                          | 405 | only GET, POST",
                "DELETE | /v1/volumes/x/attachments/abc |                      | 400 | is not a number",
            })
    void bad(String method, String path, @Nullable String body, int status, String message)
            throws Exception {
        HttpResponse<String> response =
                json(method.strip(), path.strip(), body == null ? "" : body.strip());
        JsonNode failure = JSON.readTree(response.body());
        assertThat(response.statusCode()).isEqualTo(status);
        assertThat(failure.path("message").asText()).contains(message);
        assertThat(Statuses.of(ErrorCode.valueOf(failure.path("code").asText()))).isPositive();
        assertThat(api.admin.volumes()).isEmpty();
    }

    @Test
    void everyErrorCodeSurvivesTheWayToTheClient() {
        for (ErrorCode code : ErrorCode.values()) {
            CisternException back =
                    RestClient.exception(new Requests.Failure(code.name(), "why"), "otherwise");
            assertThat(back.code()).isEqualTo(code);
            assertThat(back).hasMessage("why");
            assertThat(Statuses.of(code)).isBetween(400, 599);
        }
    }

    @Test
    void refusesOtherOriginsForeignHostsAndFormsOfBrowsers() throws Exception {
        assertThat(call("GET", "/v1/volumes", "", "Origin", "http://evil.example").statusCode())
                .isEqualTo(403);
        assertThat(call("GET", "/v1/volumes", "", "Origin", api.url()).statusCode()).isEqualTo(200);
        assertThat(
                        call(
                                        "POST",
                                        "/v1/volumes",
                                        "{\"name\":\"a\",\"sizeBytes\":4096}",
                                        "Content-Type",
                                        "text/plain")
                                .statusCode())
                .isEqualTo(415);
        assertThat(
                        raw(
                                "GET /v1/volumes HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"))
                .startsWith("HTTP/1.1 403");
        assertThat(api.admin.volumes()).isEmpty();
    }

    @Test
    void asksForTheToken() throws Exception {
        api.close();
        api = new TestApi("0123456789abcdef", 16, 4096);
        assertThat(call("GET", "/v1/status", "").statusCode()).isEqualTo(401);
        assertThat(call("GET", "/metrics", "").statusCode()).isEqualTo(401);
        assertThat(call("GET", "/v1/status", "", "Authorization", "Bearer wrong").statusCode())
                .isEqualTo(401);
        assertThat(
                        call("GET", "/v1/status", "", "Authorization", "Bearer 0123456789abcdef")
                                .statusCode())
                .isEqualTo(200);
        assertThat(call("GET", "/health", "").statusCode()).isEqualTo(200);
        assertThat(new RestAdmin(new RestClient(List.of(api.url()), "0123456789abcdef")).nodes())
                .hasSize(3);
        assertThatThrownBy(() -> new RestAdmin(new RestClient(List.of(api.url()), null)).nodes())
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.UNAUTHORIZED));
    }

    @ParameterizedTest
    @EnumSource(Health.class)
    void health(Health health) throws Exception {
        api.admin.health(health);
        HttpResponse<String> response = call("GET", "/health", "");
        assertThat(response.statusCode()).isEqualTo(health == Health.UNAVAILABLE ? 503 : 200);
        assertThat(JSON.readTree(response.body()).path("status").asText()).isEqualTo(health.name());
    }

    @Test
    void metricsPage() throws Exception {
        HttpResponse<String> response = call("GET", "/metrics", "");
        assertThat(response.body()).isEqualTo("cistern_test 1\n");
        assertThat(response.headers().firstValue("Content-Type").orElse(""))
                .startsWith("text/plain");
        assertThat(api.server.answers()).containsEntry(200, 1L);
    }

    @Test
    void boundsLinesHeadersAndBodies() throws Exception {
        assertThat(json("POST", "/v1/volumes", " ".repeat(5000)).statusCode()).isEqualTo(413);
        String longLine = "GET /" + "x".repeat(ApiServer.MAX_LINE_BYTES) + " HTTP/1.1\r\n\r\n";
        assertThat(raw(longLine)).startsWith("HTTP/1.1 400");
        String longHeader =
                "GET / HTTP/1.1\r\nX: " + "x".repeat(ApiServer.MAX_HEADER_BYTES) + "\r\n\r\n";
        assertThat(raw(longHeader)).startsWith("HTTP/1.1 400");
        assertThat(
                        raw(
                                "GET /v1/volumes/%zz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"))
                .startsWith("HTTP/1.1 400")
                .contains("percent");
        assertThat(raw("\0\1\2garbage\r\n\r\n")).startsWith("HTTP/1.1 400");
        assertThat(call("GET", "/v1/nodes", "").statusCode()).isEqualTo(200);
    }

    @Test
    void boundsConnections() throws Exception {
        api.close();
        api = new TestApi(null, 2, 4096);
        List<Socket> held = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Socket socket = connect();
            held.add(socket);
            send(socket, "GET /v1/self HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
            assertThat(socket.getInputStream().read()).isEqualTo('H'); // it is being served
        }
        try (Socket third = connect()) {
            assertThat(ended(third)).isTrue();
        }
        for (Socket socket : held) {
            socket.close();
        }
    }

    private static boolean ended(Socket socket) {
        try {
            return socket.getInputStream().read() < 0;
        } catch (IOException e) {
            return true; // reset
        }
    }

    @Test
    void answersRequestsSentInARowInOrder() throws Exception {
        String one = "GET /v1/self HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        String answers =
                raw(one.repeat(50) + one.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        assertThat(answers).startsWith("HTTP/1.1 200");
        assertThat(answers.split("HTTP/1.1 ")).hasSize(52);
    }

    private String raw(String request) throws IOException {
        try (Socket socket = connect()) {
            send(socket, request);
            InputStream in = socket.getInputStream();
            return new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
        }
    }

    private Socket connect() throws IOException {
        Socket socket = new Socket("127.0.0.1", api.server.address().getPort());
        socket.setSoTimeout(20_000);
        return socket;
    }

    private static void send(Socket socket, String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
    }

    @Test
    void aTakenPortIsOneClearLine() {
        ApiConfig same =
                new ApiConfig(api.server.address(), null, null, 4, 4096, Duration.ofSeconds(1));
        try (ApiServer second =
                new ApiServer(same, api.admin, new Requests.Self("x", "c", 1, "t"), () -> "")) {
            assertThatThrownBy(second::start)
                    .isInstanceOf(CisternException.class)
                    .hasMessageContaining(":" + api.server.address().getPort())
                    .hasMessageContaining("change api.listen");
        }
    }

    @Test
    void theClientAsksTheNextNodeWhereTheFirstIsDown() throws IOException {
        int nobody;
        try (java.net.ServerSocket socket = new java.net.ServerSocket(0)) {
            nobody = socket.getLocalPort();
        }
        RestClient client = new RestClient(List.of("http://127.0.0.1:" + nobody, api.url()), null);
        RestAdmin admin = new RestAdmin(client);
        admin.createVolume(VolumeSpec.of("vm1", 4096));
        assertThat(admin.verify("vm1", (done, total, eta) -> {}).clean()).isTrue();
        assertThatThrownBy(() ->
                        new RestAdmin(new RestClient(List.of("http://127.0.0.1:" + nobody), null))
                                .nodes())
                .hasMessageContaining("no Cistern node answers at http://127.0.0.1:" + nobody);
    }

    @Test
    void severalClonesAreOneRequest() {
        RestAdmin admin = new RestAdmin(new RestClient(List.of(api.url()), null));
        admin.createVolume(VolumeSpec.of("vm1", 4096));
        SnapshotName snapshot = new SnapshotName("vm1", "s");
        admin.createSnapshots(List.of(snapshot));
        List<String> names = List.of("b", "a", "c");
        assertThat(admin.cloneVolumes(snapshot, names, new Limits(9, 0)))
                .extracting(VolumeInfo::name)
                .isEqualTo(names);
        assertThat(admin.volume("c").limits().iops()).isEqualTo(9);
        assertThat(api.admin.log()).contains("clone vm1@s 3");
    }

    /// The route is younger than the others.
    @Test
    void aNodeOfAnEarlierReleaseMakesOneCloneAtATime() throws IOException {
        HttpServer older = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 8);
        List<String> asked = Collections.synchronizedList(new ArrayList<>());
        older.createContext(
                "/",
                exchange -> {
                    String path = exchange.getRequestURI().getPath();
                    asked.add(path);
                    boolean known = path.equals("/v1/volumes/vm1/snapshots/s/clones");
                    byte[] answer =
                            known
                                    ? Json.bytes(api.admin.volume("vm1"))
                                    : Json.bytes(
                                            new Requests.Failure(
                                                    "NOT_FOUND",
                                                    "no such resource; /openapi.json lists all of them"));
                    exchange.getResponseHeaders().set("Content-Type", "application/json");
                    exchange.sendResponseHeaders(known ? 201 : 404, answer.length);
                    exchange.getResponseBody().write(answer);
                    exchange.close();
                });
        older.start();
        try {
            api.admin.createVolume(VolumeSpec.of("vm1", 4096));
            String url = "http://127.0.0.1:" + older.getAddress().getPort();
            RestAdmin admin = new RestAdmin(new RestClient(List.of(url), null));
            SnapshotName snapshot = new SnapshotName("vm1", "s");
            assertThat(admin.cloneVolumes(snapshot, List.of("a", "b"), Limits.NONE)).hasSize(2);
            assertThat(asked).hasSize(3).startsWith("/v1/clones");
        } finally {
            older.stop(0);
        }
    }

    @Test
    void verificationsAreBoundedAndReportFailure() {
        RestAdmin admin = new RestAdmin(new RestClient(List.of(api.url()), null));
        assertThatThrownBy(() -> admin.verify("none", (done, total, eta) -> {}))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.NOT_FOUND));
        for (int i = 0; i < Verifications.MAX_KEPT + 5; i++) {
            admin.verify(null, (done, total, eta) -> {});
        }
    }
}
