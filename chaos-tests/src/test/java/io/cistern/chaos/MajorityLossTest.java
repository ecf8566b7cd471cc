package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// With two of three nodes gone nothing is acknowledged; when they are back all goes on by itself.
class MajorityLossTest {
    @TempDir Path dir;

    @Test
    void writesWaitForAMajorityAndGoOnWhenItIsBack() throws Exception {
        try (LocalCluster cluster = LocalCluster.start(dir)) {
            cluster.cistern("volume", "create", "v", "128MiB");
            Path socket = cluster.attach("v");
            try (Programs.Running fio = Programs.start(dir, Fio.overNbd("v", socket, 24, 400))) {
                String leader = cluster.leaderOf("v");
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
            cluster.cistern("verify", "v");
        }
    }

    @Test
    void aFrozenLeaderIsReplacedAndComesBack() throws Exception {
        try (LocalCluster cluster = LocalCluster.start(dir)) {
            cluster.cistern("volume", "create", "v", "128MiB");
            Path socket = cluster.attach("v");
            try (Programs.Running fio = Programs.start(dir, Fio.overNbd("v", socket, 24, 400))) {
                String leader = cluster.leaderOf("v");
                long pid = cluster.pid(leader);
                cluster.freeze(pid);
                // Ask those that live: a frozen node accepts connections and says nothing.
                cluster.leaderOf("v", leader);
                cluster.thaw(pid);
                fio.end(Fio.LIMIT).succeeded();
            }
            cluster.awaitStatus(
                    Duration.ofSeconds(60), s -> s.path("health").asText().equals("OK"));
            cluster.cistern("verify", "v");
        }
    }
}
