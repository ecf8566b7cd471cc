package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a node had not fsynced is gone after a power cut; what was acknowledged is not. A library
/// that is preloaded into the nodes notes what their writes replace until they are fsynced, and
/// takes a random choice of the others back once the nodes are dead.
class PowerCutTest {
    private static final Duration QUICK = Duration.ofSeconds(60);

    @TempDir Path dir;
    private Path notes;
    private Path library;
    private Path program;

    @BeforeEach
    void compile() throws IOException, InterruptedException {
        String source =
                Path.of(System.getProperty("cistern.repo"), "chaos-tests/src/test/c/powercut.c")
                        .toString();
        library = dir.resolve("powercut.so");
        program = dir.resolve("powercut");
        notes = Files.createDirectory(dir.resolve("notes"));
        gcc("-shared", "-fPIC", "-o", library.toString(), source, "-ldl");
        gcc("-DUNDO", "-o", program.toString(), source);
    }

    @Test
    void nothingAcknowledgedIsLostWhenAllNodesLosePower() throws Exception {
        long seed = System.nanoTime();
        System.out.println("power cuts, seed " + seed);
        Random random = new Random(seed);
        try (LocalCluster cluster = LocalCluster.start(dir, preloaded())) {
            cluster.cistern("volume", "create", "v", "128MiB");
            Path socket = cluster.attach("v");
            int lost = 0;
            try (Programs.Running fio = Programs.start(dir, Fio.overNbd("v", socket, 32, 500))) {
                for (int cut = 1; cut <= 2; cut++) {
                    long used = (4L << 20) * cut;
                    await().atMost(QUICK)
                            .ignoreExceptions()
                            .until(() -> cluster.volumeUsed("v") >= used);
                    cluster.killAll();
                    lost += forget(random, cluster.home().resolve("n"));
                    cluster.startNodes();
                }
                fio.end(Fio.LIMIT).succeeded();
            }
            assertThat(lost)
                    .as("writes that were lost: else this test proves nothing")
                    .isPositive();
            cluster.awaitHealth("OK");
            cluster.cistern("verify", "v");
        }
    }

    @Test
    void aNodeThatLosesPowerCatchesUp() throws Exception {
        long seed = System.nanoTime();
        System.out.println("power cut of one node, seed " + seed);
        Random random = new Random(seed);
        try (LocalCluster cluster = LocalCluster.start(dir, preloaded())) {
            cluster.cistern("volume", "create", "v", "128MiB");
            Path socket = cluster.attach("v");
            try (Programs.Running fio = Programs.start(dir, Fio.overNbd("v", socket, 24, 500))) {
                await().atMost(QUICK)
                        .ignoreExceptions()
                        .until(() -> cluster.volumeUsed("v") >= 4 << 20);
                String leader = cluster.leaderOf("v");
                cluster.kill(leader);
                forget(random, cluster.home().resolve(leader));
                cluster.startNodes();
                fio.end(Fio.LIMIT).succeeded();
            }
            cluster.awaitHealth("OK");
            cluster.cistern("verify", "v");
        }
    }

    private Map<String, String> preloaded() {
        return Map.of(
                "LD_PRELOAD", library.toString(),
                "POWERCUT_PREFIX", dir.resolve("home/n").toString(),
                "POWERCUT_NOTES", notes.toString());
    }

    /// Takes back what the dead nodes had not fsynced.
    ///
    /// @return how many writes were lost, at least in part
    private int forget(Random random, Path prefix) throws IOException, InterruptedException {
        String output =
                Programs.run(
                                dir,
                                QUICK,
                                List.of(
                                        program.toString(),
                                        notes.toString(),
                                        Integer.toString(random.nextInt(1 << 30)),
                                        prefix.toString()))
                        .succeeded()
                        .output();
        System.out.print(output);
        return Integer.parseInt(output.strip().substring(output.strip().lastIndexOf(' ') + 1));
    }

    private void gcc(String... arguments) throws IOException, InterruptedException {
        java.util.ArrayList<String> line = new java.util.ArrayList<>(List.of("gcc", "-O1", "-w"));
        line.addAll(List.of(arguments));
        Programs.run(dir, QUICK, line).succeeded();
    }
}
