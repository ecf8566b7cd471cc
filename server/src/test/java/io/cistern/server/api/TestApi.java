package io.cistern.server.api;

import io.cistern.server.config.ServerConfig.ApiConfig;
import java.net.InetSocketAddress;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// The real REST server over a fake cluster, on a port of the system's choice.
public final class TestApi implements AutoCloseable {
    public final FakeAdmin admin = new FakeAdmin();
    public final ApiServer server;

    public TestApi() {
        this(null, 256, 4096);
    }

    TestApi(@Nullable String token, int maxConnections, int maxBody) {
        ApiConfig config =
                new ApiConfig(
                        new InetSocketAddress("127.0.0.1", 0),
                        token,
                        null,
                        maxConnections,
                        maxBody,
                        Duration.ofSeconds(30));
        server =
                new ApiServer(
                        config,
                        admin,
                        new Requests.Self("n0", "c", 1, "test"),
                        () -> "cistern_test 1\n");
        server.start();
    }

    public String url() {
        return server.url();
    }

    @Override
    public void close() {
        server.close();
    }
}
