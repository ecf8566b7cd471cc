package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// With two of three nodes gone nothing is acknowledged; when they are back all goes on by itself.
class MajorityLossTest {
    @TempDir static Path dir;
    private static LocalCluster cluster;

    @BeforeAll
    static void start() throws IOException, InterruptedException {
        cluster = LocalCluster.start(dir);
    }

    @AfterAll
    static void stop() throws IOException, InterruptedException {
        if (cluster != null) {
            cluster.close();
        }
    }

    @Test
    void writesWaitForAMajorityAndGoOnWhenItIsBack() throws Exception {
        cluster.cistern("volume", "create", "lost", "128MiB");
        Path socket = cluster.attach("lost");
        try (Programs.Running fio = Programs.start(dir, Fio.overNbd("lost", socket, 24, 400))) {
            String leader = cluster.leaderOf("lost");
            List<String> others =
                    List.of("n0", "n1", "n2").stream().filter(n -> !n.equals(leader)).toList();
            cluster.kill(leader);
            cluster.kill(others.getFirst());
            cluster.awaitHealth("UNAVAILABLE");
            assertThat(fio.alive()).as("fio waits, without an error").isTrue();

            cluster.startNodes();
            fio.end(Fio.LIMIT).succeeded();
        }
        cluster.awaitHealth("OK");
        cluster.cistern("verify", "lost");
        cluster.cistern("detach", "lost");
    }

    @Test
    void aFrozenLeaderIsReplacedAndComesBack() throws Exception {
        cluster.cistern("volume", "create", "frozen", "128MiB");
        Path socket = cluster.attach("frozen");
        try (Programs.Running fio = Programs.start(dir, Fio.overNbd("frozen", socket, 24, 400))) {
            String leader = cluster.leaderOf("frozen");
            long pid = cluster.pid(leader);
            cluster.freeze(pid);
            // Ask those that live: a frozen node accepts connections and says nothing.
            cluster.leaderOf("frozen", leader);
            cluster.thaw(pid);
            fio.end(Fio.LIMIT).succeeded();
        }
        cluster.awaitStatus(Duration.ofSeconds(60), s -> s.path("health").asText().equals("OK"));
        cluster.cistern("verify", "frozen");
        cluster.cistern("detach", "frozen");
    }
}
