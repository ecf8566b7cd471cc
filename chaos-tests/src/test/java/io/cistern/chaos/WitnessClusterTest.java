package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/// Two nodes and a witness, each lost in turn under a load that checks what it reads.
@EnabledIfSystemProperty(named = "cistern.long", matches = "true")
class WitnessClusterTest {
    private static final int MIB = 1 << 20;

    @TempDir Path dir;

    @Test
    void eachIsLostInTurnAndNothingElseIs() throws Exception {
        try (LocalCluster cluster = LocalCluster.startWithWitness(dir)) {
            cluster.cistern("volume", "create", "v", "128MiB");
            Path socket = cluster.attach("v");
            try (Programs.Running fio = Programs.start(dir, Fio.overNbd("v", socket, 24, 300))) {
                await().atMost(Duration.ofSeconds(60))
                        .ignoreExceptions()
                        .until(() -> cluster.volumeUsed("v") >= MIB);
                String leader = cluster.leaderOf("v");
                assertThat(leader).isIn("n0", "n1");
                String other = leader.equals("n0") ? "n1" : "n0";
                cluster.kill(leader);
                assertThat(cluster.leaderOf("v", leader)).isEqualTo(other);
                cluster.startNodes();
                cluster.awaitHealth("OK");
                // Now the other one holds what was written meanwhile as well.
                cluster.kill(other);
                assertThat(cluster.leaderOf("v", other)).isEqualTo(leader);
                cluster.startNodes();
                // The witness is missed by nobody once both are there.
                cluster.awaitHealth("OK");
                cluster.kill("n2");
                fio.end(Fio.LIMIT).succeeded();
            }
            cluster.cistern("verify", "v");
        }
    }

    /// While one node is away the other writes alone. If it is lost then, the first must not serve
    /// what it had, though it and the witness are two of three.
    @Test
    void whatOneNodeWroteAloneIsWaitedFor() throws Exception {
        String text = "written while the other node was away";
        try (LocalCluster cluster = LocalCluster.startWithWitness(dir)) {
            cluster.cistern("volume", "create", "v", "16MiB");
            Path socket = cluster.attach("v");
            write(socket, "old", "on both nodes");
            String alone = cluster.leaderOf("v");
            String away = alone.equals("n0") ? "n1" : "n0";
            cluster.kill(away);
            write(socket, "new", text);
            cluster.kill(alone);
            String config = cluster.home().resolve(away).resolve("node.toml").toString();
            try (Programs.Running _ =
                    Programs.start(
                            dir, LocalCluster.commandLine("node", "run", "--config", config))) {
                // It and the witness are there, and the group has no leader.
                Predicate<JsonNode> stands =
                        s -> up(s, away) && s.path("reasons").toString().contains("has no leader");
                cluster.awaitStatus(Duration.ofSeconds(60), stands);
                await().during(Duration.ofSeconds(3))
                        .atMost(Duration.ofSeconds(30))
                        .ignoreExceptions()
                        .until(() -> stands.test(cluster.status()));
            }
            cluster.startNodes();
            cluster.awaitHealth("OK");
            Path back = dir.resolve("back.raw");
            cluster.cistern("volume", "export", "v", back.toString());
            assertThat(new String(Files.readAllBytes(back), StandardCharsets.ISO_8859_1))
                    .startsWith(text);
        }
    }

    private static boolean up(JsonNode status, String node) {
        return status.path("nodes")
                .valueStream()
                .anyMatch(n ->
                        n.path("name").asText().equals(node)
                                && n.path("state").asText().equals("UP"));
    }

    private void write(Path socket, String name, String text) throws Exception {
        Path file = Files.writeString(dir.resolve(name), text);
        Programs.run(
                        dir,
                        Duration.ofSeconds(60),
                        List.of(
                                "qemu-io",
                                "-f",
                                "raw",
                                "-c",
                                "write -s " + file + " 0 4096",
                                LocalCluster.uri("v", socket)))
                .succeeded();
    }
}
