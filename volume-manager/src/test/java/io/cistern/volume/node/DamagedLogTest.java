package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.ClusterStatus.GroupInfo;
import io.cistern.volume.ClusterStatus.Health;
import io.cistern.volume.ClusterStatus.ReplicaInfo;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeSpec;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A replica whose log is damaged in the middle: what it has acknowledged may be gone, so it must
/// not come back as who it was. A new one is built from the others, by itself.
@Timeout(150)
class DamagedLogTest {
    private static final int BLOCK = 4096;
    private static final int BLOCKS = 400;

    @TempDir Path directory;

    private static ByteBuffer block(long value) {
        ByteBuffer block = ByteBuffer.allocate(BLOCK);
        new Random(value).nextBytes(block.array());
        return block;
    }

    private static List<String> peers(TestCluster cluster) {
        return group(cluster.admin().status()).replicas().stream().map(ReplicaInfo::peer).toList();
    }

    private static GroupInfo group(ClusterStatus status) {
        return status.groups().stream().filter(g -> g.id().equals("g1")).findFirst().orElseThrow();
    }

    /// Flips one bit in the middle of what the largest log file of a replica holds.
    private static void damage(Path log) throws IOException {
        Path file;
        try (Stream<Path> files = Files.walk(log)) {
            file =
                    files.filter(f -> f.getFileName().toString().startsWith("log_"))
                            .max(Comparator.comparingLong(f -> f.toFile().length()))
                            .orElseThrow();
        }
        byte[] bytes = Files.readAllBytes(file);
        int used = bytes.length;
        while (bytes[used - 1] == 0) {
            used--; // space set aside in advance
        }
        assertThat(used).isGreaterThan(BLOCKS * BLOCK / 4);
        int at = used / 2;
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {(byte) (bytes[at] ^ 0x10)}), at);
        }
    }

    @Test
    void aDamagedLogIsReplacedByAReplicaBuiltFromTheOthers() throws Exception {
        try (TestCluster cluster = new TestCluster(directory, 3)) {
            cluster.admin().createVolume(VolumeSpec.of("v", 4 << 20));
            try (VolumeDevice device =
                    cluster.any().client().open("v", AttachMode.EXCLUSIVE, "test")) {
                for (int i = 0; i < BLOCKS; i++) {
                    device.write((long) i * BLOCK, block(i)).join();
                }
            }
            String victim = cluster.names().getLast();
            String lost =
                    peers(cluster).stream()
                            .filter(p -> p.startsWith(victim + "."))
                            .findFirst()
                            .orElseThrow();
            cluster.stop(victim);
            damage(cluster.home(victim).resolve("raft").resolve("g1").resolve(lost));
            try (VolumeDevice device =
                    cluster.any().client().open("v", AttachMode.EXCLUSIVE, "test")) {
                for (int i = 0; i < 20; i++) {
                    device.write((long) i * BLOCK, block(1000 + i)).join();
                }
            }
            cluster.start(victim);
            Awaitility.await()
                    .atMost(Duration.ofSeconds(90))
                    .untilAsserted(() -> {
                        ClusterStatus status = cluster.admin().status();
                        assertThat(status.health())
                                .as(status.reasons().toString())
                                .isEqualTo(Health.OK);
                        assertThat(peers(cluster)).hasSize(3).doesNotContain(lost);
                    });
            assertThat(cluster.admin().verify(null, (d, t, e) -> {}).mismatches()).isEmpty();
            // What it has now is enough, without one of the others.
            cluster.stop(cluster.names().getFirst());
            try (VolumeDevice device =
                    cluster.node(victim).client().open("v", AttachMode.EXCLUSIVE, "test")) {
                for (int i = 0; i < BLOCKS; i++) {
                    assertThat(TestCluster.read(device, (long) i * BLOCK, BLOCK))
                            .as("block " + i)
                            .isEqualTo(block(i < 20 ? 1000 + i : i).array());
                }
            }
            assertThat(cluster.halts).isEmpty();
        }
    }
}
