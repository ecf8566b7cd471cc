package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.ClusterStatus.Health;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeSpec;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Damages one file of one node, of each kind that a node writes, in each of several ways, and
/// looks whether the cluster comes back to health by itself with every byte as it was.
///
/// Without settings, a few kinds that no other test damages, with one flipped bit. With
/// `-Dcistern.sweep=REGEX` every case whose name (`kind/fault`) matches, some seconds each.
@Timeout(570)
class DamageSweepTest {
    private static final String SHORT = "(node|meta|mark|checkpoint)/flip";
    private static final int BLOCK = 4096;
    private static final int BLOCKS = 1024;
    private static final int PAGE = 4096;

    /// How much of a file is looked at.
    private static final int HEAD_BYTES = 24 << 20;

    private static final Duration PATIENCE = Duration.ofSeconds(75);

    /// By name, which files, as a pattern of the path below the node's directory.
    private static final Map<String, String> KINDS = new LinkedHashMap<>();

    static {
        KINDS.put("node", "node\\.json");
        KINDS.put("superblock", "cistern\\.disk");
        KINDS.put("slots", "data/.*\\.slots");
        KINDS.put("table", "map/.*\\.sst");
        KINDS.put("manifest", "map/MANIFEST-.*");
        KINDS.put("current", "map/CURRENT");
        KINDS.put("options", "map/OPTIONS-.*");
        KINDS.put("identity", "map/IDENTITY");
        KINDS.put("mark", "marks/1");
        KINDS.put("replica", "raft/g1/[^/]*\\.[0-9]+/replica");
        KINDS.put("meta", "raft/g1/[^/]*\\.[0-9]+/.*/raft-meta");
        KINDS.put("conf", "raft/g1/[^/]*\\.[0-9]+/.*/raft-meta\\.conf");
        KINDS.put("closed", "raft/g1/[^/]*\\.[0-9]+/.*/log_[0-9]+-[0-9]+");
        KINDS.put("open", "raft/g1/[^/]*\\.[0-9]+/.*/log_inprogress_.*");
        KINDS.put("systemlog", "raft/g0/[^/]*\\.[0-9]+/.*/log_.*");
        KINDS.put("systemmeta", "raft/g0/[^/]*\\.[0-9]+/.*/raft-meta");
        KINDS.put("checkpoint", "system/.*/system\\.ckpt");
    }

    private enum Fault {
        FLIP,
        TRUNCATE,
        ZERO
    }

    @TempDir Path directory;
    private final byte[][] expected = new byte[BLOCKS][];
    private final byte[][] frozen = new byte[BLOCKS][];
    private final long seed = System.nanoTime();
    private final Random random = new Random(seed);

    @Test
    void oneDamagedFileOfOneNodeHealsByItself() throws Exception {
        String wanted = System.getProperty("cistern.sweep", SHORT);
        System.out.println("damage sweep " + wanted + ", seed " + seed);
        List<String> failures = new ArrayList<>();
        try (TestCluster cluster = new TestCluster(directory, 3)) {
            cluster.admin().createVolume(VolumeSpec.of("v", (long) BLOCKS * BLOCK));
            for (int i = 0; i < 3; i++) {
                write(cluster, BLOCKS);
                if (i == 1) {
                    cluster.admin().createSnapshots(List.of(new SnapshotName("v", "s")));
                    System.arraycopy(expected, 0, frozen, 0, BLOCKS);
                }
            }
            List<String> names = cluster.names();
            int victim = 0;
            for (String kind : KINDS.keySet()) {
                for (Fault fault : Fault.values()) {
                    String name = kind + "/" + fault.name().toLowerCase(java.util.Locale.ROOT);
                    if (name.matches(wanted)) {
                        String problem = heal(cluster, names.get(victim++ % 3), kind, fault);
                        System.out.println("sweep " + name + ": " + problem);
                        if (!problem.isEmpty()) {
                            failures.add(name + ": " + problem);
                        }
                    }
                }
            }
            assertThat(failures).as("seed %s", seed).isEmpty();
            assertThat(cluster.halts).isEmpty();
        }
    }

    /// What went wrong, empty where nothing did.
    private String heal(TestCluster cluster, String victim, String kind, Fault fault)
            throws Exception {
        long began = System.nanoTime();
        cluster.stop(victim);
        Path damaged = damage(cluster.home(victim), KINDS.getOrDefault(kind, ""), fault);
        if (damaged == null) {
            cluster.start(victim);
            return "no such file";
        }
        write(cluster, 20);
        byte[] sound = Files.readAllBytes(damaged.resolveSibling(damaged.getFileName() + ".sound"));
        Files.delete(damaged.resolveSibling(damaged.getFileName() + ".sound"));
        String problem = "";
        try {
            cluster.start(victim);
        } catch (RuntimeException e) {
            problem = "the node does not start: " + e;
            try (FileChannel channel = FileChannel.open(damaged, StandardOpenOption.WRITE)) {
                channel.write(ByteBuffer.wrap(sound), 0);
            }
            cluster.start(victim);
        }
        try {
            Awaitility.await()
                    .atMost(PATIENCE)
                    .pollInterval(Duration.ofMillis(100))
                    .untilAsserted(() -> {
                        ClusterStatus status = cluster.admin().status();
                        assertThat(status.health())
                                .as(status.reasons().toString())
                                .isEqualTo(Health.OK);
                    });
            check(cluster, victim);
        } catch (Exception | AssertionError e) {
            problem += " " + e;
        }
        System.out.printf(
                "sweep: %s of %s took %d ms%n",
                damaged.getFileName(), victim, (System.nanoTime() - began) / 1_000_000);
        return problem;
    }

    private void check(TestCluster cluster, String victim) {
        assertThat(cluster.admin().verify(null, (d, t, e) -> {}).mismatches()).isEmpty();
        compare(cluster, victim, "v", expected);
        compare(cluster, victim, "v@s", frozen);
    }

    private static void compare(
            TestCluster cluster, String victim, String volume, byte[][] contents) {
        try (VolumeDevice device =
                cluster.node(victim).client().open(volume, AttachMode.READ_ONLY, "check")) {
            for (int i = 0; i < BLOCKS; i++) {
                assertThat(TestCluster.read(device, (long) i * BLOCK, BLOCK))
                        .as("block %s of %s", i, volume)
                        .isEqualTo(contents[i]);
            }
        }
    }

    private void write(TestCluster cluster, int blocks) {
        try (VolumeDevice device = cluster.any().client().open("v", AttachMode.EXCLUSIVE, "test")) {
            for (int i = 0; i < blocks; i++) {
                byte[] data = new byte[BLOCK];
                random.nextBytes(data);
                int at = blocks == BLOCKS ? i : random.nextInt(BLOCKS);
                device.write((long) at * BLOCK, ByteBuffer.wrap(data)).join();
                expected[at] = data;
            }
        }
    }

    /// Damages one file, where it holds anything, and keeps a sound copy beside it.
    private @org.jspecify.annotations.Nullable Path damage(Path home, String pattern, Fault fault)
            throws IOException {
        List<Path> files;
        try (Stream<Path> all = Files.walk(home)) {
            files =
                    all.filter(f -> home.relativize(f).toString().matches(pattern))
                            .filter(f -> used(f) > 0)
                            .toList();
        }
        if (files.isEmpty()) {
            return null;
        }
        Path file = files.get(random.nextInt(files.size()));
        byte[] bytes = head(file);
        Files.write(file.resolveSibling(file.getFileName() + ".sound"), bytes);
        int used = used(file);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            switch (fault) {
                case TRUNCATE -> channel.truncate(used / 2);
                case FLIP -> {
                    int at = random.nextInt(used);
                    byte flipped = (byte) (bytes[at] ^ 1 << random.nextInt(8));
                    channel.write(ByteBuffer.wrap(new byte[] {flipped}), at);
                    System.out.println("sweep: byte " + at + " of " + file);
                }
                case ZERO -> {
                    int from = random.nextInt(used) / PAGE * PAGE;
                    int length = Math.min(PAGE, bytes.length - from);
                    channel.write(ByteBuffer.wrap(new byte[length]), from);
                    System.out.println("sweep: zeroes at " + from + " of " + file);
                }
            }
        }
        return file;
    }

    private static byte[] head(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            return in.readNBytes(HEAD_BYTES);
        }
    }

    /// Bytes up to the last that is not zero: behind it is space set aside.
    private static int used(Path file) {
        if (!Files.isRegularFile(file)) {
            return 0;
        }
        try {
            byte[] bytes = head(file);
            int used = bytes.length;
            while (used > 0 && bytes[used - 1] == 0) {
                used--;
            }
            return used;
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
