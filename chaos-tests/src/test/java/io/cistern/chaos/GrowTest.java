package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A cluster grows, loses nodes and gets them back, by the commands that users give; whoever does
/// the work is killed in the middle of it, while a client writes and verifies.
class GrowTest {
    private static final Duration MOVED = Duration.ofSeconds(120);

    @TempDir Path dir;

    /// The nodes with replicas of a group, those that leave not counted.
    private static Set<String> nodes(JsonNode status, String group) {
        Set<String> nodes = new HashSet<>();
        replicas(status, group)
                .filter(r -> !r.path("state").asText().equals("RETIRED"))
                .forEach(r -> nodes.add(r.path("node").asText()));
        return nodes;
    }

    private static java.util.stream.Stream<JsonNode> replicas(JsonNode status, String group) {
        return status.path("groups")
                .valueStream()
                .filter(g -> g.path("id").asText().equals(group))
                .flatMap(g -> g.path("replicas").valueStream());
    }

    private static boolean moving(JsonNode status) {
        return status.path("groups")
                .valueStream()
                .anyMatch(g -> g.path("replicas").size() > g.path("wantedReplicas").asInt());
    }

    private static String leader(JsonNode status, String group) {
        return status.path("groups")
                .valueStream()
                .filter(g -> g.path("id").asText().equals(group))
                .map(g -> g.path("leader").asText(""))
                .findFirst()
                .orElse("");
    }

    private static boolean healthy(JsonNode status) {
        return status.path("health").asText().equals("OK") && !moving(status);
    }

    private static boolean holds(JsonNode status, String node) {
        return status.path("groups")
                .valueStream()
                .anyMatch(g -> nodes(status, g.path("id").asText()).contains(node));
    }

    private static Predicate<JsonNode> state(String node, String state) {
        return s ->
                s.path("nodes")
                        .valueStream()
                        .anyMatch(n ->
                                n.path("name").asText().equals(node)
                                        && n.path("state").asText().equals(state));
    }

    private static void add(LocalCluster cluster) throws Exception {
        String token = cluster.cistern("node", "token").strip();
        cluster.cistern("node", "add", "--join", token);
    }

    @Test
    void aClusterGrowsLosesANodeAndShrinksWhileItsMoversAreKilled() throws Exception {
        try (LocalCluster cluster = LocalCluster.start(dir)) {
            cluster.cistern("volume", "create", "busy", "64MiB");
            Path socket = cluster.attach("busy");
            assertThat(cluster.cistern("cluster", "set", "--rebuild-after", "6s"))
                    .contains("6 s of silence");
            try (Programs.Running fio = Programs.start(dir, Fio.overNbd("busy", socket, 24, 250))) {
                // Growing: the new nodes get their share, though the leader that sees to it dies.
                add(cluster);
                add(cluster);
                JsonNode status = cluster.awaitStatus(MOVED, s -> moving(s));
                String mover = leader(status, "g0");
                cluster.kill(mover);
                cluster.startNodes();
                status =
                        cluster.awaitStatus(
                                MOVED, s -> healthy(s) && holds(s, "n3") && holds(s, "n4"));

                // Healing: a node is lost, others get what it held; it comes back as who it is.
                String sees = leader(cluster.status(), "g0");
                String lost =
                        nodes(status, "g1").stream()
                                .filter(n -> !n.equals(sees))
                                .sorted()
                                .reduce((x, y) -> y)
                                .orElseThrow();
                cluster.kill(lost);
                status =
                        cluster.awaitStatus(
                                MOVED,
                                s -> !holds(s, lost) && !moving(s) && nodes(s, "g1").size() == 3);
                assertThat(status.path("health").asText()).isEqualTo("DEGRADED");
                cluster.startNodes();
                cluster.awaitStatus(MOVED, s -> healthy(s) && state(lost, "UP").test(s));

                // Shrinking: the node that is emptied and then the leader of its group die.
                String leaves =
                        nodes(cluster.status(), "g1").stream().sorted().findFirst().orElseThrow();
                cluster.cistern("node", "drain", leaves);
                cluster.cistern("node", "drain", leaves);
                cluster.kill(leaves);
                cluster.startNodes();
                cluster.awaitStatus(MOVED, state(leaves, "DRAINED"));
                cluster.cistern("node", "remove", leaves);
                fio.end(Fio.LIMIT).succeeded();
            }
            cluster.awaitStatus(MOVED, s -> healthy(s) && s.path("nodes").size() == 4);
            assertThat(cluster.cistern("verify")).contains("all replicas agree");
        }
    }
}
