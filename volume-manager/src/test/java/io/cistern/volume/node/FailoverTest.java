package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClientConfig;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.ClusterStatus.Health;
import io.cistern.volume.ClusterStatus.NodeState;
import io.cistern.volume.NodeConfig.Formation;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeSpec;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What a cluster does while nodes go and come.
@Timeout(150)
class FailoverTest {
    private static final int BLOCK = 4096;
    private static final long MIB = 1 << 20;

    private TestCluster cluster;

    @BeforeEach
    void start(@TempDir Path directory) {
        cluster = new TestCluster(directory, 3);
    }

    @AfterEach
    void stop() {
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    private RemoteCluster outside() {
        return RemoteCluster.connect(
                ClientConfig.of(
                        cluster.names().stream().map(n -> cluster.node(n).self().wire()).toList(),
                        cluster.clusterId()),
                "outside");
    }

    private void awaitHealth(Health health) {
        Awaitility.await()
                .atMost(Duration.ofSeconds(60))
                .untilAsserted(() -> {
                    ClusterStatus status = cluster.admin().status();
                    assertThat(status.health()).as(status.reasons().toString()).isEqualTo(health);
                });
    }

    private static ByteBuffer block(long value) {
        ByteBuffer block = ByteBuffer.allocate(BLOCK);
        while (block.hasRemaining()) {
            block.putLong(value);
        }
        return block.flip();
    }

    /// Writes growing values to random blocks, several at a time, never two at once to one block,
    /// and remembers what was acknowledged.
    private static final class Writer implements Runnable {
        private final VolumeDevice device;
        private final AtomicBoolean running = new AtomicBoolean(true);
        private final long[] acknowledged;
        final AtomicLong writes = new AtomicLong();
        private final long seed;

        Writer(VolumeDevice device, int blocks, long seed) {
            this.device = device;
            this.acknowledged = new long[blocks];
            this.seed = seed;
        }

        @Override
        public void run() {
            Random random = new Random(seed);
            int lanes = 8;
            int perLane = acknowledged.length / lanes;
            while (running.get()) {
                CompletableFuture<?>[] batch = new CompletableFuture<?>[lanes];
                for (int lane = 0; lane < lanes; lane++) {
                    int at = lane * perLane + random.nextInt(perLane);
                    long value = writes.incrementAndGet();
                    batch[lane] =
                            device.write((long) at * BLOCK, block(value))
                                    .thenRun(() -> acknowledged[at] = value);
                }
                CompletableFuture.allOf(batch).join();
            }
        }

        void verify(VolumeDevice reader) {
            for (int i = 0; i < acknowledged.length; i++) {
                byte[] data = TestCluster.read(reader, (long) i * BLOCK, BLOCK);
                ByteBuffer values = ByteBuffer.wrap(data);
                for (int j = 0; j < BLOCK; j += 8) {
                    assertThat(values.getLong(j)).as("block " + i).isEqualTo(acknowledged[i]);
                }
            }
        }
    }

    @Test
    void leadersComeAndGoUnderWrites() throws Exception {
        long seed = System.nanoTime();
        System.out.println("seed " + seed);
        cluster.admin().createVolume(VolumeSpec.of("busy", 4 * MIB));
        try (RemoteCluster remote = outside();
                VolumeDevice device = remote.open("busy", AttachMode.EXCLUSIVE, "test")) {
            Writer writer = new Writer(device, 512, seed);
            Thread thread = Thread.ofPlatform().start(writer);
            for (int round = 0; round < 2; round++) {
                long before = writer.writes.get();
                Awaitility.await().until(() -> writer.writes.get() > before + 200);
                String leader = Objects.requireNonNull(cluster.leader("g1"));
                cluster.stop(leader);
                long stopped = writer.writes.get();
                Awaitility.await()
                        .atMost(Duration.ofSeconds(30))
                        .until(() -> writer.writes.get() > stopped + 200);
                awaitHealth(Health.DEGRADED);
                cluster.start(leader);
                awaitHealth(Health.OK);
            }
            writer.running.set(false);
            thread.join();
            writer.verify(device);
            System.out.println(
                    writer.writes
                            + " writes, longest "
                            + device.stats().longestStallNanos() / 1_000_000
                            + " ms");
            assertThat(device.stats().retries()).isPositive();
        }
        // A replica that was restarted a moment ago may not answer yet; a difference never goes
        // away.
        Awaitility.await()
                .atMost(Duration.ofSeconds(30))
                .until(() -> {
                    List<String> found = cluster.admin().verify(null, (d, t, e) -> {}).mismatches();
                    System.out.println("verify: " + found);
                    assertThat(found).allMatch(f -> f.contains("could not be asked"));
                    return found.isEmpty();
                });
    }

    @Test
    void aClusterComesBackFromItsDisks() {
        cluster.admin().createVolume(VolumeSpec.of("keep", MIB));
        try (VolumeDevice device =
                cluster.any().client().open("keep", AttachMode.EXCLUSIVE, "test")) {
            device.write(8192, block(77)).join();
        }
        List<String> names = cluster.names();
        names.forEach(cluster::stop);
        names.forEach(cluster::start);
        cluster.any().awaitReady(Duration.ofSeconds(60));
        awaitHealth(Health.OK);
        assertThat(cluster.admin().volumes()).extracting(VolumeInfo::name).containsExactly("keep");
        try (VolumeDevice device =
                cluster.any().client().open("keep", AttachMode.EXCLUSIVE, "test")) {
            assertThat(TestCluster.read(device, 8192, BLOCK)).isEqualTo(block(77).array());
        }
    }

    /// Each value is written to `first`, and once that is acknowledged to `second`: in one instant,
    /// the first is never older than the second.
    @Test
    void aGroupSnapshotIsOneInstant() throws Exception {
        cluster.admin().createVolume(VolumeSpec.of("first", MIB));
        cluster.admin().createVolume(VolumeSpec.of("second", MIB));
        AtomicBoolean running = new AtomicBoolean(true);
        AtomicLong written = new AtomicLong();
        try (VolumeDevice first =
                        cluster.any().client().open("first", AttachMode.EXCLUSIVE, "test");
                VolumeDevice second =
                        cluster.any().client().open("second", AttachMode.EXCLUSIVE, "test")) {
            Thread thread =
                    Thread.ofPlatform()
                            .start(() -> {
                                while (running.get()) {
                                    long value = written.incrementAndGet();
                                    first.write(0, block(value)).join();
                                    second.write(0, block(value)).join();
                                }
                            });
            for (int i = 0; i < 10; i++) {
                long before = written.get();
                Awaitility.await().until(() -> written.get() > before + 3);
                cluster.admin()
                        .createSnapshots(
                                List.of(
                                        new SnapshotName("first", "s" + i),
                                        new SnapshotName("second", "s" + i)));
            }
            running.set(false);
            thread.join();
        }
        for (int i = 0; i < 10; i++) {
            long a = value("first@s" + i);
            long b = value("second@s" + i);
            assertThat(a - b).as("snapshot " + i).isBetween(0L, 1L);
        }
    }

    private long value(String snapshot) {
        try (VolumeDevice device =
                cluster.any().client().open(snapshot, AttachMode.READ_ONLY, "test")) {
            return ByteBuffer.wrap(TestCluster.read(device, 0, 8)).getLong();
        }
    }

    @Test
    void aNewNodeTakesOverFromADrainedOne() {
        cluster.admin().createVolume(VolumeSpec.of("moved", 4 * MIB));
        try (VolumeDevice device =
                cluster.any().client().open("moved", AttachMode.EXCLUSIVE, "test")) {
            for (int i = 0; i < 100; i++) {
                device.write((long) i * BLOCK, block(i)).join();
            }
        }
        String token = cluster.admin().createJoinToken();
        cluster.start(TestCluster.place("n3"), new Formation.Join(token));
        Awaitility.await()
                .atMost(Duration.ofSeconds(30))
                .until(() -> cluster.admin().nodes().size() == 4);
        cluster.admin().drainNode("n2");
        Awaitility.await()
                .atMost(Duration.ofSeconds(90))
                .until(() ->
                        cluster.admin().nodes().stream()
                                .anyMatch(n ->
                                        n.name().equals("n2") && n.state() == NodeState.DRAINED));
        cluster.stop("n2");
        cluster.admin().removeNode("n2");
        awaitHealth(Health.OK);
        cluster.stop("n0");
        try (VolumeDevice device =
                cluster.node("n3").client().open("moved", AttachMode.EXCLUSIVE, "test")) {
            for (int i = 0; i < 100; i++) {
                assertThat(TestCluster.read(device, (long) i * BLOCK, BLOCK))
                        .isEqualTo(block(i).array());
            }
        }
    }

    @Test
    void aDiskIsEmptiedOntoAnotherOfItsNodeAndRemoved() {
        cluster.admin().createVolume(VolumeSpec.of("moved", 4 * MIB));
        try (VolumeDevice device =
                cluster.any().client().open("moved", AttachMode.EXCLUSIVE, "test")) {
            for (int i = 0; i < 100; i++) {
                device.write((long) i * BLOCK, block(i)).join();
            }
        }
        cluster.start(
                TestCluster.place("n3"), new Formation.Join(cluster.admin().createJoinToken()));
        Awaitility.await()
                .atMost(Duration.ofSeconds(30))
                .until(() -> cluster.admin().nodes().size() == 4);
        Path larger = cluster.home("larger");
        cluster.admin().addDisk("n3", larger.toString(), 2 * TestCluster.DISK_BYTES);
        cluster.admin().drainNode("n2");
        Awaitility.await()
                .atMost(Duration.ofSeconds(90))
                .until(() ->
                        cluster.admin().nodes().stream()
                                .anyMatch(n ->
                                        n.name().equals("n2") && n.state() == NodeState.DRAINED));
        cluster.stop("n2");
        cluster.admin().removeNode("n2");
        awaitHealth(Health.OK);
        cluster.admin().removeDisk("n3/1");
        awaitHealth(Health.OK);
        assertThat(cluster.admin().disks()).extracting("id").doesNotContain("n3/1");
        assertThat(cluster.admin().verify(null, (d, t, e) -> {}).mismatches()).isEmpty();
        cluster.stop("n0");
        try (VolumeDevice device =
                cluster.node("n3").client().open("moved", AttachMode.EXCLUSIVE, "test")) {
            for (int i = 0; i < 100; i++) {
                assertThat(TestCluster.read(device, (long) i * BLOCK, BLOCK))
                        .isEqualTo(block(i).array());
            }
        }
    }
}
