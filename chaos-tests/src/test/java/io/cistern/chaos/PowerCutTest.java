package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a node had not fsynced is gone after a power cut; what was acknowledged is not.
class PowerCutTest {
    private static final Duration QUICK = Duration.ofSeconds(60);

    @TempDir static Path dir;
    private static PowerCut power;
    private static LocalCluster cluster;

    @BeforeAll
    static void start() throws IOException, InterruptedException {
        power = new PowerCut(dir, Duration.ZERO, false);
        cluster = LocalCluster.start(dir, power.environment());
    }

    @AfterAll
    static void stop() throws IOException, InterruptedException {
        if (cluster != null) {
            cluster.close();
        }
    }

    @Test
    void nothingAcknowledgedIsLostWhenAllNodesLosePower() throws Exception {
        Random random = random();
        cluster.cistern("volume", "create", "all", "128MiB");
        Path socket = cluster.attach("all");
        int lost = 0;
        try (Programs.Running fio = Programs.start(dir, Fio.overNbd("all", socket, 32, 500))) {
            for (int cut = 1; cut <= 2; cut++) {
                awaitUsed("all", (4L << 20) * cut);
                cluster.killAll();
                lost += power.forget(random, cluster.home().resolve("n"));
                cluster.startNodes();
            }
            fio.end(Fio.LIMIT).succeeded();
        }
        assertThat(lost).as("writes that were lost: else this test proves nothing").isPositive();
        cluster.awaitHealth("OK");
        cluster.cistern("verify", "all");
        cluster.cistern("detach", "all");
    }

    @Test
    void aNodeThatLosesPowerCatchesUp() throws Exception {
        Random random = random();
        cluster.cistern("volume", "create", "one", "128MiB");
        Path socket = cluster.attach("one");
        try (Programs.Running fio = Programs.start(dir, Fio.overNbd("one", socket, 24, 500))) {
            awaitUsed("one", 4 << 20);
            String leader = cluster.leaderOf("one");
            cluster.kill(leader);
            power.forget(random, cluster.home().resolve(leader));
            cluster.startNodes();
            fio.end(Fio.LIMIT).succeeded();
        }
        cluster.awaitHealth("OK");
        cluster.cistern("verify", "one");
        cluster.cistern("detach", "one");
    }

    private static Random random() {
        long seed = System.nanoTime();
        System.out.println("power cuts, seed " + seed);
        return new Random(seed);
    }

    private static void awaitUsed(String volume, long bytes) {
        await().atMost(QUICK).ignoreExceptions().until(() -> cluster.volumeUsed(volume) >= bytes);
    }
}
