package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Two of three nodes are lost for good.
class RescueTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String CONFIRM = "give up all but n1";

    @TempDir Path dir;

    /// A command that only knows one node.
    private Programs.Result at(LocalCluster cluster, int node, String... command) throws Exception {
        Map<String, String> environment = new HashMap<>();
        environment.put("CISTERN_HOME", cluster.home().toString());
        environment.put("CISTERN_API", cluster.api(node));
        return Programs.start(dir, LocalCluster.commandLine(command), environment)
                .end(Duration.ofMinutes(2));
    }

    /// Of n1.
    private Programs.Result rescue(LocalCluster cluster, String confirmation) throws Exception {
        String config = config(cluster, "n1");
        return at(cluster, 1, "node", "rescue", "--config", config, "--confirm", confirmation);
    }

    private Programs.Running run(LocalCluster cluster, String node) throws Exception {
        return Programs.start(
                dir, LocalCluster.commandLine("node", "run", "--config", config(cluster, node)));
    }

    private static String config(LocalCluster cluster, String node) {
        return cluster.home().resolve(node).resolve("node.toml").toString();
    }

    private JsonNode status(LocalCluster cluster, int node) throws Exception {
        return JSON.readTree(at(cluster, node, "status", "-o", "json").output());
    }

    @Test
    void oneNodeIsMadeAClusterAndTheLostOnesStayOut() throws Exception {
        Path image = NodeKillTest.randomImage(dir.resolve("image.raw"), 8 << 20);
        try (LocalCluster cluster = LocalCluster.start(dir)) {
            cluster.cistern("volume", "import", "kept", image.toString());
            Programs.Result running = rescue(cluster, CONFIRM);
            assertThat(running.output()).contains("stop the node");
            cluster.killAll();
            Programs.Result wrong = rescue(cluster, "yes");
            assertThat(wrong.exit()).isEqualTo(1);
            assertThat(wrong.output()).contains("nothing was changed");
            rescue(cluster, CONFIRM).succeeded();
            try (Programs.Running n1 = run(cluster, "n1");
                    Programs.Running n0 = run(cluster, "n0")) {
                await().atMost(Duration.ofSeconds(60))
                        .ignoreExceptions()
                        .untilAsserted(() -> {
                            JsonNode status = status(cluster, 1);
                            assertThat(status.path("health").asText())
                                    .as(status.toString())
                                    .isEqualTo("DEGRADED");
                            assertThat(status.path("nodes").findValuesAsText("name"))
                                    .containsExactly("n1");
                        });
                Path back = dir.resolve("back.raw");
                at(cluster, 1, "volume", "export", "kept", back.toString()).succeeded();
                assertThat(Files.mismatch(image, back)).isEqualTo(-1);
                // A lost node that is there again is refused, and alone it serves nothing.
                await().atMost(Duration.ofSeconds(60))
                        .ignoreExceptions()
                        .untilAsserted(() ->
                                assertThat(status(cluster, 0).path("health").asText())
                                        .isEqualTo("UNAVAILABLE"));
                // The cluster grows again.
                String token = at(cluster, 1, "node", "token").succeeded().output().strip();
                at(cluster, 1, "node", "add", "--join", token).succeeded();
                await().atMost(Duration.ofSeconds(60))
                        .ignoreExceptions()
                        .untilAsserted(() -> assertThat(voters(status(cluster, 1))).isEqualTo(2));
                assertThat(n1.alive() && n0.alive()).isTrue();
            }
        }
    }

    private static long voters(JsonNode status) {
        return status.path("groups")
                .valueStream()
                .filter(g -> g.path("id").asText().equals("g1"))
                .flatMap(g -> g.path("replicas").valueStream())
                .filter(r -> List.of("LEADER", "FOLLOWER").contains(r.path("state").asText()))
                .count();
    }
}
