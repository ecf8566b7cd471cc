package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// One flipped bit in any file of one replica never reaches a client, and heals without help.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class BitFlipTest {
    private static final int IMAGE_BYTES = 24 << 20;
    private static final int SECTOR = 512;

    @TempDir static Path dir;
    private LocalCluster cluster;
    private Path image;
    private String uri;
    private int victim;

    @BeforeAll
    void start() throws Exception {
        cluster = LocalCluster.start(dir);
        image = NodeKillTest.randomImage(dir.resolve("image.raw"), IMAGE_BYTES);
        cluster.cistern("volume", "create", "v", "24MiB");
        uri = LocalCluster.uri("v", cluster.attach("v"));
        Programs.run(dir, Fio.LIMIT, List.of("nbdcopy", image.toString(), uri)).succeeded();
    }

    @AfterAll
    void stop() throws Exception {
        if (cluster != null) {
            cluster.close();
        }
    }

    /// @param files which files of the disk, by a pattern of their path
    /// @param flips how many bits, in sectors that hold data
    @ParameterizedTest
    @CsvSource({
        "data, .*/data/.*\\.slots, 20",
        "map, .*/map/.*\\.sst, 1",
        "log, .*/raft/g1/.*/log_.*, 1"
    })
    void damageOnOneNodeHeals(String what, String files, int flips) throws Exception {
        String node = "n" + (victim++ % LocalCluster.NODES);
        // The map's files appear with the first checkpoint.
        await().atMost(Fio.LIMIT).until(() -> !matching(cluster.disk(node), files).isEmpty());
        cluster.terminate(node);
        long seed = System.nanoTime();
        System.out.println("bit flips in " + what + " of " + node + ", seed " + seed);
        flip(cluster.disk(node), files, flips, new Random(seed));

        cluster.startNodes();
        cluster.awaitHealth("OK");
        // Through the damaged node too: it leads when it may, and every replica is read.
        cluster.request("PUT", "/v1/volumes/v/preferred-leader", "{\"node\": \"" + node + "\"}");
        compare();
        cluster.command("verify", "v");
        cluster.cistern("verify", "v");
    }

    private void compare() throws Exception {
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

    static void flip(Path disk, String pattern, int flips, Random random) throws IOException {
        List<Path> candidates = matching(disk, pattern);
        assertThat(candidates).as("files like %s in %s", pattern, disk).isNotEmpty();
        for (int i = 0; i < flips; i++) {
            flipOne(candidates.get(random.nextInt(candidates.size())), random);
        }
    }

    private static List<Path> matching(Path disk, String pattern) throws IOException {
        try (Stream<Path> all = Files.walk(disk)) {
            return all.filter(f -> Files.isRegularFile(f) && f.toString().matches(pattern))
                    .filter(f -> f.toFile().length() > 0)
                    .sorted()
                    .toList();
        }
    }

    /// Flips a bit in a sector that is not all zeros: in space that is not used nothing can break.
    private static void flipOne(Path path, Random random) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            byte[] sector = new byte[SECTOR];
            for (int attempt = 0; attempt < 100_000; attempt++) {
                long at = random.nextLong(file.length());
                file.seek(at / SECTOR * SECTOR);
                int read = file.read(sector);
                if (new String(sector, 0, read, java.nio.charset.StandardCharsets.ISO_8859_1)
                        .chars()
                        .allMatch(c -> c == 0)) {
                    continue;
                }
                file.seek(at);
                int value = file.read();
                file.seek(at);
                file.write(value ^ (1 << random.nextInt(8)));
                System.out.println("flipped a bit at " + at + " of " + path);
                return;
            }
        }
        fail("%s holds no data", path);
    }
}
