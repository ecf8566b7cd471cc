package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cistern.server.metrics.Metric;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Nodes and disks come and go by the commands that users give, while a client writes.
class ClusterChangeTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir Path dir;

    private static JsonNode json(LocalCluster cluster, String... arguments) throws Exception {
        String[] all = java.util.Arrays.copyOf(arguments, arguments.length + 2);
        all[arguments.length] = "-o";
        all[arguments.length + 1] = "json";
        return JSON.readTree(cluster.cistern(all));
    }

    private static JsonNode named(JsonNode list, String key, String value) {
        return list.valueStream()
                .filter(n -> n.path(key).asText().equals(value))
                .findFirst()
                .orElseThrow();
    }

    private static void refused(LocalCluster cluster, int exit, String words, String... arguments)
            throws Exception {
        Programs.Result result = cluster.command(arguments);
        assertThat(result.output()).contains(words);
        assertThat(result.output().strip().lines()).hasSize(1);
        assertThat(result.exit()).isEqualTo(exit);
    }

    private static void drain(LocalCluster cluster, String node) throws Exception {
        cluster.cistern("node", "drain", node);
        await().atMost(Duration.ofSeconds(120))
                .pollInterval(Duration.ofMillis(500))
                .until(() ->
                        named(cluster.get("/v1/nodes"), "name", node)
                                .path("state")
                                .asText()
                                .equals("DRAINED"));
    }

    @Test
    void nodesAndDisksComeAndGoUnderWrites() throws Exception {
        try (LocalCluster cluster = LocalCluster.start(dir)) {
            cluster.cistern("volume", "create", "busy", "128MiB");
            Path socket = cluster.attach("busy");
            Path disk = dir.resolve("extra");
            try (Programs.Running fio = Programs.start(dir, Fio.overNbd("busy", socket, 40, 400))) {
                String token = cluster.cistern("node", "token").strip();
                cluster.cistern("node", "add", "--join", token, "--size", "1GiB");
                refused(cluster, 1, "token", "node", "add", "--join", token, "--size", "1GiB");
                cluster.cistern("disk", "add", "n3", disk.toString(), "--size", "2GiB");
                refused(cluster, 1, "already", "disk", "add", "n3", disk.toString());
                drain(cluster, "n2");
                cluster.cistern("node", "remove", "n2");
                JsonNode used = named(json(cluster, "disk", "list"), "id", "n3/1");
                assertThat(used.path("freeBytes").asLong())
                        .as("the larger disk took the replicas over")
                        .isLessThan(used.path("totalBytes").asLong());
                cluster.cistern("disk", "remove", "n3/1");
                assertThat(json(cluster, "disk", "list").findValuesAsText("id"))
                        .containsExactly("n0/0", "n1/0", "n3/0");
                refused(cluster, 1, "identity", "disk", "remove", "n3/0");
                refused(cluster, 1, "add a node first", "node", "drain", "n1");
                fio.end(Fio.LIMIT).succeeded();
            }
            cluster.awaitHealth("OK");
            cluster.cistern("verify", "busy");
            // The node that left is not started again, the one that came is.
            cluster.cistern("stop");
            cluster.cistern("start", "--processes");
            assertThat(json(cluster, "node", "list").findValuesAsText("name"))
                    .containsExactly("n0", "n1", "n3");
            cluster.cistern("verify", "busy");
        }
    }

    private Programs.Running importing(LocalCluster cluster, String name, Path image)
            throws Exception {
        return Programs.start(
                dir,
                LocalCluster.commandLine("volume", "import", name, image.toString()),
                Map.of("CISTERN_HOME", cluster.home().toString(), "CISTERN_API", cluster.api(0)));
    }

    @Test
    void threeNodesInOneProcessKeepTheirDataThroughAStop() throws Exception {
        Path image = NodeKillTest.randomImage(dir.resolve("image.raw"), 64 << 20);
        try (LocalCluster cluster = LocalCluster.startInOneProcess(dir)) {
            try (Programs.Running running = importing(cluster, "kept", image)) {
                cluster.awaitStatus(
                        Duration.ofSeconds(60),
                        s -> s.path("work").findValuesAsText("kind").contains("import"));
                running.end(Fio.LIMIT).succeeded();
            }
            cluster.awaitStatus(
                    Duration.ofSeconds(60),
                    s -> !s.path("work").findValuesAsText("kind").contains("import"));
            cluster.cistern("snapshot", "create", "kept@s");
            List<Long> pids =
                    cluster.status().path("nodes").findValues("pid").stream()
                            .map(JsonNode::asLong)
                            .distinct()
                            .toList();
            assertThat(pids).hasSize(1);
            refused(cluster, 1, "runs as one process", "start", "--processes");
            Path socket = cluster.attach("kept");
            cluster.cistern("stop");
            refused(cluster, 1, "cistern start", "volume", "list");
            cluster.cistern("start");
            Path back = dir.resolve("back.raw");
            Programs.run(
                            dir,
                            Fio.LIMIT,
                            List.of("nbdcopy", LocalCluster.uri("kept", socket), back.toString()))
                    .succeeded();
            assertThat(Files.mismatch(image, back)).isEqualTo(-1);
            cluster.cistern("share", "create", "home");
            Programs.run(dir, Fio.LIMIT, List.of("nfs-ls", NfsShareTest.url(cluster, 0, "")))
                    .succeeded();
            String metrics = cluster.metrics() + cluster.cistern("driver", "metrics");
            for (Metric metric : Metric.values()) {
                boolean histogram = metric.kind() == Metric.Kind.HISTOGRAM;
                assertThat(metrics)
                        .contains("\n" + metric.metricName() + (histogram ? "_bucket{" : "{"));
            }
            assertThat(metrics).contains("volume=\"kept\",op=\"read\"");
            cluster.cistern("verify");
            cluster.cistern("stop");
            cluster.cistern("start", "--processes");
            assertThat(cluster.cistern("volume", "list")).contains("kept");
        }
    }
}
