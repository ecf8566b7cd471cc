package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A share through libnfs's own tools: losing the node that serves it loses nothing.
class NfsShareTest {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    @TempDir Path dir;

    @Test
    void aShareOutlivesTheNodeThatServesIt() throws Exception {
        byte[] bytes = new byte[3_000_001];
        new Random(7).nextBytes(bytes);
        Path file = Files.write(dir.resolve("file"), bytes);
        try (LocalCluster cluster = LocalCluster.start(Files.createDirectory(dir.resolve("c")))) {
            cluster.cistern("share", "create", "home", "--allow", "127.0.0.0/8:no_root_squash");
            nfs("nfs-cp", file.toString(), url(cluster, 0, "/file")).succeeded();
            assertThat(nfs("nfs-ls", url(cluster, 0, "")).succeeded().output())
                    .contains("3000001 file");

            // While the owner lives no other node serves the share.
            assertThat(nfs("nfs-ls", url(cluster, 1, "")).exit()).isNotZero();

            String second = url(cluster, 1, "/file");
            String listed = url(cluster, 1, "");
            cluster.kill("n0");
            await().atMost(LIMIT)
                    .untilAsserted(() -> assertThat(nfs("nfs-ls", listed).exit()).isZero());
            Path copy = dir.resolve("copy");
            Programs.run(dir, LIMIT, List.of("bash", "-c", "nfs-cat '" + second + "' > " + copy))
                    .succeeded();
            assertThat(copy).hasSameBinaryContentAs(file);
            cluster.startNodes();
            cluster.awaitHealth("OK");
        }
    }

    private Programs.Result nfs(String... command) throws IOException, InterruptedException {
        return Programs.run(dir, LIMIT, List.of(command));
    }

    /// A file of share `home` for libnfs.
    static String url(LocalCluster cluster, int node, String path) throws InterruptedException {
        String address = cluster.status().get("nodes").get(node).get("nfs").asText();
        String port = address.substring(address.lastIndexOf(':') + 1);
        return "nfs://127.0.0.1/home" + path + "?version=3&nfsport=" + port + "&mountport=" + port;
    }
}
