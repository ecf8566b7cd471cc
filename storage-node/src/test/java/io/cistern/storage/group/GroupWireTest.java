package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Origin;
import io.cistern.storage.group.VolumeGroup.Range;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Three replicas, asked over the wire.
class GroupWireTest {
    private static final long SIZE = 256L << 20;

    @TempDir static Path directory;
    private static TestCluster cluster;
    private static long volumes = 100;

    @BeforeAll
    static void start() {
        cluster = new TestCluster(directory, TestCluster.Options.of(3));
    }

    @AfterAll
    static void stop() {
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    private static TestClient client(AttachMode mode) {
        return new TestClient(cluster, ++volumes).create(SIZE).attach(mode);
    }

    private static void refused(
            ErrorCode code, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        CisternException.class, e -> assertThat(e.code()).isEqualTo(code));
    }

    @Test
    void anyAlignmentReadsBackWhatWasWrittenAndNothingElse() {
        long seed = new Random().nextLong();
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        int size = 6 << 20;
        byte[] expected = new byte[size];
        try (TestClient client = client(AttachMode.SHARED)) {
            for (int i = 0; i < 120; i++) {
                int offset = random.nextInt(size / 512) * 512;
                int most = random.nextInt(8) == 0 ? size : 20_000;
                int length = Math.min(size - offset, (1 + random.nextInt(most / 512)) * 512);
                if (i % 4 == 3) {
                    client.zero(offset, length, random.nextBoolean());
                    Arrays.fill(expected, offset, offset + length, (byte) 0);
                } else {
                    byte[] data = new byte[length];
                    random.nextBytes(data);
                    client.write(offset, data);
                    System.arraycopy(data, 0, expected, offset, length);
                }
                int from = random.nextInt(size / 512) * 512;
                int bytes = Math.min(size - from, 512 * (1 + random.nextInt(100)));
                assertThat(client.read(from, bytes))
                        .isEqualTo(Arrays.copyOfRange(expected, from, from + bytes));
            }
            assertThat(client.read(0, size)).isEqualTo(expected);
        }
    }

    @Test
    void everyReplicaServesAnExclusiveReaderWhatItHasSeen() throws Exception {
        try (TestClient client = client(AttachMode.EXCLUSIVE)) {
            byte[] data = new byte[8192];
            for (int round = 1; round <= 20; round++) {
                Arrays.fill(data, (byte) round);
                client.write(4096, data);
                for (TestCluster.Node node : cluster.nodes) {
                    ReadRequest request =
                            new ReadRequest(
                                    volumes, null, client.attachment, client.maxIndex.get());
                    ByteBuffer dst = ByteBuffer.allocate(8192);
                    try {
                        client.at(node).read(request, 4096, dst).get();
                        assertThat(dst.array()).isEqualTo(data);
                    } catch (java.util.concurrent.ExecutionException e) {
                        assertThat(CisternException.of(e).code()).isEqualTo(ErrorCode.STALE);
                    }
                }
            }
        }
    }

    @Test
    void aSecondExclusiveAttachmentEndsTheFirst() {
        try (TestClient first = client(AttachMode.EXCLUSIVE);
                TestClient second = new TestClient(cluster, volumes)) {
            first.write(0, new byte[4096]);
            second.attach(AttachMode.EXCLUSIVE);
            refused(ErrorCode.FENCED, () -> first.write(0, new byte[4096]));
            refused(ErrorCode.FENCED, () -> first.write(100 * 512, new byte[512]));
            refused(ErrorCode.FENCED, () -> first.zero(0, 4096, true));
            refused(ErrorCode.FENCED, () -> first.read(0, 4096));
            second.write(0, new byte[4096]);
            assertThat(second.read(0, 4096)).isEqualTo(new byte[4096]);
        }
    }

    @Test
    void whatIsWrongWithARequestIsSaid() {
        try (TestClient client = client(AttachMode.SHARED);
                TestClient nobody = new TestClient(cluster, 99_999)) {
            refused(ErrorCode.OUT_OF_RANGE, () -> client.write(SIZE - 512, new byte[1024]));
            refused(ErrorCode.OUT_OF_RANGE, () -> client.zero(0, SIZE + 1, true));
            refused(ErrorCode.OUT_OF_RANGE, () -> client.read(SIZE, 512));
            refused(ErrorCode.NOT_FOUND, () -> nobody.write(0, new byte[512]));
            refused(ErrorCode.NOT_FOUND, () -> nobody.retry(g -> g.describe(99_999)));
            refused(
                    ErrorCode.INVALID,
                    () ->
                            client.retry(g ->
                                    g.execute(
                                            new Command.Zero(
                                                    volumes, new Origin(0, 0, 0), 0, 4096, true))));
            refused(
                    ErrorCode.INVALID,
                    () ->
                            client.retry(g ->
                                    g.write(
                                            volumes,
                                            new Origin(client.attachment, 0, 0),
                                            0,
                                            ByteBuffer.allocate(512))));
            refused(
                    ErrorCode.ALREADY_EXISTS,
                    () ->
                            client.execute(
                                    new Command.CreateVolume(
                                            volumes, SIZE, Command.Limits.NONE, 1)));
        }
    }

    @Test
    void snapshotsDiffExtentsAndUsageTravel() {
        try (TestClient client = client(AttachMode.SHARED)) {
            long volume = volumes;
            byte[] old = new byte[64 << 10];
            Arrays.fill(old, (byte) 1);
            client.write(1 << 20, old);
            client.execute(
                    new Command.CreateSnapshots(
                            List.of(new Command.CreateSnapshots.Target(volume, "s1")), 5));
            byte[] changed = new byte[4096];
            Arrays.fill(changed, (byte) 2);
            client.write((1 << 20) + 8192, changed);
            assertThat(client.retry(g -> g.describe(volume)).snapshots())
                    .singleElement()
                    .matches(s -> s.name().equals("s1"));
            assertThat(
                            client.read(
                                    new ReadRequest(volume, "s1", 0, ReadRequest.LEADER_LEASE),
                                    1 << 20,
                                    old.length))
                    .isEqualTo(old);
            List<Range> ranges = client.retry(g -> g.diff(volume, "s1", null, 0, 10));
            assertThat(ranges).containsExactly(new Range((1 << 20) + 8192, 4096));
            List<Extent> extents =
                    client.retry(g ->
                            g.extents(
                                    new ReadRequest(volume, null, 0, ReadRequest.LEADER_LEASE),
                                    0,
                                    2 << 20,
                                    10));
            assertThat(extents.getFirst()).isEqualTo(new Extent(1 << 20, Extent.Kind.HOLE));
            assertThat(extents.get(1)).isEqualTo(new Extent(64 << 10, Extent.Kind.DATA));
            List<VolumeGroup.VolumeUsage> usages = client.retry(VolumeGroup::usage);
            assertThat(usages)
                    .filteredOn(u -> u.volume() == volume)
                    .singleElement()
                    .satisfies(u -> assertThat(u.usedBytes()).isEqualTo(128 << 10));
        }
    }

    @Test
    void aRepeatedRequestOfManyPiecesTakesEffectOnce() throws Exception {
        try (TestClient client = client(AttachMode.SHARED)) {
            Origin origin = client.begin();
            byte[] first = new byte[9 << 20];
            Arrays.fill(first, (byte) 1);
            client.retry(g -> g.write(volumes, origin, 512, ByteBuffer.wrap(first)));
            byte[] second = new byte[9 << 20];
            Arrays.fill(second, (byte) 2);
            client.write(512, second);
            // A late duplicate of the first request, which its sender still holds for open.
            client.retry(g -> g.write(volumes, origin, 512, ByteBuffer.wrap(first)));
            assertThat(client.read(512, second.length)).isEqualTo(second);
            client.end(origin);
        }
    }

    @Test
    void aLongZeroStaysWithinTheLimitOfOpenWrites() {
        long size = 300L << 30;
        try (TestClient client = new TestClient(cluster, ++volumes).create(size)) {
            client.attach(AttachMode.SHARED);
            client.write(size - 8192, new byte[] {1, 2, 3, 4});
            client.zero(3, size - 5, true);
            assertThat(client.read(size - 8192, 4)).isEqualTo(new byte[4]);
        }
    }
}
