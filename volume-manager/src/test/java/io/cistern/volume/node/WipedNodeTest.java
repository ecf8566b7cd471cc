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
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A node whose only disk was replaced by an empty one: what it has voted for and acknowledged is
/// gone, so none of its replicas may come back as who it was, that of the system group included.
@Timeout(150)
class WipedNodeTest {
    @TempDir Path directory;

    private static Set<String> peers(ClusterStatus status, String node) {
        Set<String> peers = new HashSet<>();
        for (GroupInfo group : status.groups()) {
            for (ReplicaInfo replica : group.replicas()) {
                if (replica.node().equals(node)) {
                    peers.add(group.id() + "/" + replica.peer());
                }
            }
        }
        return peers;
    }

    private static void wipe(Path home) throws IOException {
        try (Stream<Path> files = Files.walk(home)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    private static ByteBuffer filled(int value) {
        byte[] data = new byte[4096];
        Arrays.fill(data, (byte) value);
        return ByteBuffer.wrap(data);
    }

    @Test
    void aWipedNodeGetsNewReplicasUnderNewIdentities() throws Exception {
        try (TestCluster cluster = new TestCluster(directory, 3)) {
            cluster.admin().createVolume(VolumeSpec.of("v", 4 << 20));
            try (VolumeDevice device =
                    cluster.any().client().open("v", AttachMode.EXCLUSIVE, "test")) {
                device.write(0, filled(1)).join();
                device.write(65536, filled(2)).join();
            }
            Set<String> before = peers(cluster.admin().status(), "n2");
            assertThat(before).hasSize(2);
            cluster.stop("n2");
            wipe(cluster.home("n2"));
            cluster.start("n2");
            Awaitility.await()
                    .atMost(Duration.ofSeconds(90))
                    .untilAsserted(() -> {
                        ClusterStatus status = cluster.admin().status();
                        assertThat(status.health())
                                .as(status.reasons().toString())
                                .isEqualTo(Health.OK);
                        assertThat(peers(status, "n2"))
                                .hasSize(2)
                                .doesNotContainAnyElementsOf(List.copyOf(before));
                    });
            assertThat(cluster.admin().verify(null, (d, t, e) -> {}).mismatches()).isEmpty();
            cluster.stop("n0");
            try (VolumeDevice device =
                    cluster.node("n2").client().open("v", AttachMode.EXCLUSIVE, "test")) {
                assertThat(TestCluster.read(device, 65536, 4096)).containsOnly(2);
            }
            assertThat(cluster.halts).isEmpty();
        }
    }
}
