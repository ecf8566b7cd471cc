package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Clients that cannot reconnect go on through SIGKILL of the node that leads, without an error and
/// without a wrong byte.
class NodeKillTest {
    private static final int MIB = 1 << 20;

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
    void fioVerifiesEveryBlockThroughTwoLostLeaders() throws Exception {
        cluster.cistern("volume", "create", "fio", "256MiB");
        Path socket = cluster.attach("fio");
        try (Programs.Running fio = Programs.start(dir, Fio.overNbd("fio", socket, 48, 700))) {
            awaitUsed("fio", 4L * MIB);
            String first = cluster.leaderOf("fio");
            cluster.kill(first);
            String second = cluster.leaderOf("fio", first);
            cluster.startNodes();
            cluster.kill(second);
            cluster.leaderOf("fio", second);
            cluster.startNodes();
            fio.end(Fio.LIMIT).succeeded();
        }
        cluster.awaitHealth("OK");
        cluster.cistern("verify", "fio");
        cluster.cistern("detach", "fio");
    }

    @Test
    void copiesAreIdenticalThoughLeadersDieInTheMiddle() throws Exception {
        Path image = randomImage(dir.resolve("image.raw"), 96 * MIB);
        cluster.cistern("volume", "create", "copy", "96MiB");
        Path socket = cluster.attach("copy");
        String uri = LocalCluster.uri("copy", socket);
        try (Programs.Running in = Programs.start(dir, List.of("nbdcopy", image.toString(), uri))) {
            awaitUsed("copy", 4L * MIB);
            cluster.kill(cluster.leaderOf("copy"));
            in.end(Fio.LIMIT).succeeded();
        }
        cluster.startNodes();
        compare(image, uri);

        Path back = dir.resolve("back.raw");
        try (Programs.Running out = Programs.start(dir, List.of("nbdcopy", uri, back.toString()))) {
            cluster.kill(cluster.leaderOf("copy"));
            out.end(Fio.LIMIT).succeeded();
        }
        assertThat(Files.mismatch(image, back)).isEqualTo(-1);
        cluster.startNodes();
        compare(image, uri);
        cluster.cistern("detach", "copy");
    }

    @Test
    void restartingEveryNodeInTurnIsOnlyAPauseForItsUsers() throws Exception {
        cluster.cistern("volume", "create", "busy", "64MiB");
        Path socket = cluster.attach("busy");
        try (Programs.Running fio = Programs.start(dir, Fio.overNbd("busy", socket, 16, 400))) {
            for (String node : List.of("n0", "n1", "n2")) {
                cluster.terminate(node);
                cluster.startNodes();
                cluster.awaitHealth("OK");
            }
            fio.end(Fio.LIMIT).succeeded();
        }
        assertThat(cluster.cistern("verify", "busy")).contains("all replicas agree");
        cluster.cistern("detach", "busy");
    }

    /// Waits until so much has been written, so that what comes next happens in the middle.
    private static void awaitUsed(String volume, long bytes) {
        await().atMost(Duration.ofSeconds(60))
                .ignoreExceptions()
                .until(() -> cluster.volumeUsed(volume) >= bytes);
    }

    private static void compare(Path image, String uri) throws Exception {
        Programs.run(
                        dir,
                        Fio.LIMIT,
                        List.of(
                                "qemu-img",
                                "compare",
                                "-f",
                                "raw",
                                "-F",
                                "raw",
                                image.toString(),
                                uri))
                .succeeded();
    }

    static Path randomImage(Path file, int bytes) throws IOException {
        long seed = System.nanoTime();
        System.out.println("image seed " + seed);
        Random random = new Random(seed);
        byte[] chunk = new byte[MIB];
        try (OutputStream out = Files.newOutputStream(file)) {
            for (int done = 0; done < bytes; done += chunk.length) {
                random.nextBytes(chunk);
                out.write(chunk);
            }
        }
        return file;
    }
}
