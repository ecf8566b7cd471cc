package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Origin;
import io.cistern.storage.group.VolumeGroup.Receipt;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A pool that runs full.
class SpaceTest {
    private static final long CAPACITY = 32L << 20;
    private static final int STEP = 1 << 20;
    private static final int GRANULE = 64 << 10;

    @TempDir Path directory;
    private TestCluster cluster;
    private TestClient client;

    @BeforeEach
    void start() {
        cluster =
                new TestCluster(
                        directory, TestCluster.Options.of(3).capacity(CAPACITY).smallLogs());
        client = new TestClient(cluster, 1).create(1 << 30).attach(AttachMode.SHARED);
    }

    @AfterEach
    void stop() {
        client.close();
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    /// Writes until it is refused, and returns how many bytes fitted.
    private long fill(long from) {
        byte[] data = new byte[STEP];
        Arrays.fill(data, (byte) 7);
        long offset = from;
        while (data.length > 4096) {
            try {
                client.write(offset, data);
                offset += Math.max(GRANULE, data.length);
            } catch (CisternException e) {
                assertThat(e.code()).isEqualTo(ErrorCode.NO_SPACE);
                data = Arrays.copyOf(data, data.length / 2);
            }
        }
        return offset - from;
    }

    @Test
    void aFullPoolRefusesNewDataAndNothingElse() {
        // Members' reports that are behind while it fills hide a little: it shows again with the
        // next ones.
        AtomicLong offset = new AtomicLong();
        cluster.await(
                "a pool that is filled to its reserve",
                () -> offset.addAndGet(fill(offset.get())) >= CAPACITY * 85 / 100);
        long filled = offset.get();
        assertThat(filled).isLessThanOrEqualTo(CAPACITY * 95 / 100);
        assertThat(cluster.leader().disk().freeBytes()).isGreaterThanOrEqualTo(CAPACITY / 20);
        // Overwrites, of whole and of part blocks, go on.
        byte[] other = new byte[STEP];
        Arrays.fill(other, (byte) 8);
        client.write(0, other);
        client.write(4 * STEP + 512, new byte[512]);
        assertThat(client.read(0, STEP)).isEqualTo(other);
        assertThat(filled + fill(64 << 20)).isLessThanOrEqualTo(CAPACITY * 95 / 100);
        // So do snapshots and deleting them; after one, an overwrite takes new space.
        client.execute(
                new Command.CreateSnapshots(
                        List.of(new Command.CreateSnapshots.Target(1, "s")), 1));
        assertThatThrownBy(() -> client.write(0, new byte[8 * STEP]))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.NO_SPACE))
                .hasMessageContaining("delete snapshots or volumes");
        client.execute(new Command.DeleteSnapshot(1, "s"));
        client.zero(0, 8L * STEP, true);
        cluster.await(
                "space freed by a discard",
                () -> {
                    // Log, so that a checkpoint releases what was discarded.
                    client.write(16L * STEP, other);
                    try {
                        client.write(128 << 20, other);
                        return true;
                    } catch (CisternException e) {
                        return false;
                    }
                });
        client.execute(new Command.CreateVolume(2, STEP, Command.Limits.NONE, 1));
        client.execute(new Command.DeleteVolume(2));
    }

    @Test
    void snapshotsAmongOverwritesTakeNoSlotThatWasNotReserved() {
        AtomicLong offset = new AtomicLong();
        cluster.await(
                "a pool that is filled to its reserve",
                () -> offset.addAndGet(fill(offset.get())) >= CAPACITY * 85 / 100);
        long granules = Math.min(offset.get() / STEP * (STEP / GRANULE), 400);
        // More overwrites under way than the reserve has slots, and snapshots between them.
        for (int round = 0; round < 4; round++) {
            List<CompletableFuture<Receipt>> writes = new ArrayList<>();
            List<Origin> origins = new ArrayList<>();
            VolumeGroup group = client.at(cluster.leader());
            CompletableFuture<Receipt> snapshot = new CompletableFuture<>();
            for (int i = 0; i < granules; i++) {
                Origin origin = client.begin();
                origins.add(origin);
                writes.add(
                        group.write(
                                1, origin, (long) i * GRANULE, ByteBuffer.wrap(new byte[4096])));
                if (i == granules / 8) {
                    Command.CreateSnapshots.Target target =
                            new Command.CreateSnapshots.Target(1, "s" + round);
                    snapshot = group.execute(new Command.CreateSnapshots(List.of(target), 1));
                }
            }
            for (CompletableFuture<Receipt> write : writes) {
                assertThat(write.handle((ok, failed) -> failed == null ? null : code(failed)))
                        .succeedsWithin(30, TimeUnit.SECONDS)
                        .isIn(null, ErrorCode.NO_SPACE);
            }
            assertThat(snapshot).succeedsWithin(30, TimeUnit.SECONDS);
            origins.forEach(client::end);
            assertThat(cluster.halts).isEmpty();
            client.execute(new Command.DeleteSnapshot(1, "s" + round));
        }
    }

    private static ErrorCode code(Throwable failed) {
        return CisternException.of(failed).code();
    }

    @Test
    void aSilentMemberCountsWithItsLastReport() {
        TestCluster.Node away = cluster.follower();
        client.write(0, new byte[STEP]);
        away.stop();
        assertThat(fill(0)).isLessThanOrEqualTo(CAPACITY * 95 / 100);
        away.restart();
        cluster.awaitEven();
        assertThat(away.disk().freeBytes()).isPositive();
    }
}
