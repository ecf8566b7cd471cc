package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Origin;
import io.cistern.storage.Slots;
import io.cistern.storage.Store;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Bits flipped in the data of running replicas.
class RepairTest {
    private static final int BLOCK = 4096;
    private static final int BLOCKS = 40;

    @TempDir Path directory;
    private TestCluster cluster;
    private TestClient client;
    private byte[] written;

    @BeforeEach
    void start() {
        long seed = new Random().nextLong();
        System.out.println("seed " + seed);
        cluster = new TestCluster(directory, TestCluster.Options.of(3));
        client = new TestClient(cluster, 1).create(64 << 20).attach(AttachMode.SHARED);
        written = new byte[BLOCKS * BLOCK];
        new Random(seed).nextBytes(written);
        client.write(0, written);
        cluster.awaitEven();
    }

    @AfterEach
    void stop() {
        client.close();
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    private byte[] block(int number) {
        return java.util.Arrays.copyOfRange(written, number * BLOCK, (number + 1) * BLOCK);
    }

    private void damage(TestCluster.Node node, int block) throws Exception {
        assertThat(DiskBytes.damage(node.directory, block(block))).isPositive();
    }

    private byte[] readAt(TestCluster.Node node, int offset, int length) throws Exception {
        ByteBuffer dst = ByteBuffer.allocate(length);
        client.at(node).read(new ReadRequest(1, null, client.attachment, 0), offset, dst).get();
        return dst.array();
    }

    @Test
    void aReadMendsDamageOnTheLeaderAndOnAFollower() throws Exception {
        for (TestCluster.Node node : List.of(cluster.leader(), cluster.follower())) {
            damage(node, 3);
            damage(node, 20);
            assertThat(readAt(node, 0, written.length)).isEqualTo(written);
            assertThat(node.status().repairs().repairedBlocks()).isEqualTo(2);
            assertThat(readAt(node, 0, written.length)).isEqualTo(written);
            assertThat(node.status().repairs().damagedBlocks()).isEqualTo(2);
            assertThat(DiskBytes.damage(node.directory, block(3)))
                    .as("the good block is on the disk again")
                    .isEqualTo(1);
            assertThat(readAt(node, 3 * BLOCK + 5, 100))
                    .isEqualTo(java.util.Arrays.copyOfRange(block(3), 5, 105));
        }
    }

    @Test
    void aPartialWriteMendsTheBlockItReads() throws Exception {
        damage(cluster.leader(), 7);
        client.write(7 * BLOCK + 512, new byte[512]);
        System.arraycopy(new byte[512], 0, written, 7 * BLOCK + 512, 512);
        assertThat(client.read(0, written.length)).isEqualTo(written);
    }

    @Test
    void aDamagedBlockOfASnapshotIsMended() throws Exception {
        client.execute(
                new Command.CreateSnapshots(
                        List.of(new Command.CreateSnapshots.Target(1, "s")), 1));
        client.write(0, new byte[BLOCK]);
        cluster.awaitEven();
        TestCluster.Node node = cluster.leader();
        damage(node, 0);
        assertThat(client.read(new ReadRequest(1, "s", 0, ReadRequest.LEADER_LEASE), 0, BLOCK))
                .isEqualTo(block(0));
        assertThat(node.status().repairs().repairedBlocks()).isEqualTo(1);
    }

    @Test
    void whatNoReplicaHasIsCorruptAndNothingElseIs() throws Exception {
        for (TestCluster.Node node : cluster.nodes) {
            damage(node, 9);
        }
        assertThatThrownBy(() -> client.read(9 * BLOCK, BLOCK))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.CORRUPT));
        assertThat(client.read(8 * BLOCK, BLOCK)).isEqualTo(block(8));
        client.write(9 * BLOCK, block(1));
        assertThat(client.read(9 * BLOCK, BLOCK)).isEqualTo(block(1));
    }

    @Test
    void aScrubFindsAndMendsWhatNobodyReads() throws Exception {
        TestCluster.Node node = cluster.follower();
        damage(node, 11);
        damage(node, 30);
        Scrubber.Report report = node.host().scrub(TestCluster.GROUP, 0).get();
        assertThat(report.damagedBlocks()).isEqualTo(2);
        assertThat(report.mendedBlocks()).isEqualTo(2);
        assertThat(report.bytes()).isGreaterThanOrEqualTo(written.length);
        damage(node, 11);
        assertThat(node.host().scrub(TestCluster.GROUP, 1).get().mendedBlocks()).isEqualTo(1);
        assertThat(node.host().scrub(TestCluster.GROUP, 0).get().damagedBlocks()).isZero();
        assertThat(cluster.leader().host().scrub(node.name, TestCluster.GROUP, 1).get()).isTrue();
    }

    @Test
    void verifyComparesAllReplicasAndSaysWhereTheyDiffer() throws Exception {
        client.write(500L * Slots.SLOT_BYTES, block(1));
        client.execute(
                new Command.CreateSnapshots(
                        List.of(new Command.CreateSnapshots.Target(1, "s")), 1));
        client.write(BLOCK, block(5));
        cluster.awaitEven();
        GroupHost host = cluster.leader().host();
        Verifier.Report clean = host.verify(TestCluster.GROUP, 1).get();
        assertThat(clean.differences()).isEmpty();
        assertThat(clean.missing()).isEmpty();
        assertThat(clean.bytes())
                .as("what there is of head and snapshot, not their size")
                .isEqualTo(2L * 4 * Slots.SLOT_BYTES);
        Verifier.Report piece = host.verify(TestCluster.GROUP, 1, "s", 0, Duration.ZERO).get();
        assertThat(piece.next()).isEqualTo(500);
        assertThat(piece.bytes()).isEqualTo(3L * Slots.SLOT_BYTES);
        piece = host.verify(TestCluster.GROUP, 1, "s", 500, Duration.ZERO).get();
        assertThat(piece.next()).isEqualTo(Verifier.Report.DONE);
        assertThat(piece.bytes()).isEqualTo(Slots.SLOT_BYTES);
        cluster.follower().stop();
        assertThat(host.verify(TestCluster.GROUP, 1).get().missing()).hasSize(1);
    }

    @Test
    void verifyReportsContentsThatOneReplicaAloneHas() throws Exception {
        cluster.awaitEven();
        TestCluster.Node node = cluster.follower();
        Store store = node.host().replicas().replica(TestCluster.GROUP).store();
        Origin untracked = new Origin(client.attachment, 0, 0);
        Command onlyHere = new Command.Zero(1, untracked, 20L * BLOCK, BLOCK, false);
        long next = store.applied().index() + 1;
        assertThat(store.apply(next, store.applied().term(), onlyHere).error()).isNull();
        Verifier.Report found = cluster.leader().host().verify(TestCluster.GROUP, 1).get();
        assertThat(found.missing()).isEmpty();
        assertThat(found.differences()).hasSize(1);
        assertThat(found.differences().getFirst().offset()).isEqualTo(64 << 10);
        assertThat(found.differences().getFirst().replicas()).contains(node.peer);
    }

    /// A replica that applies late lacks what it will have: that is no difference.
    @Test
    void verifyWaitsForAReplicaThatIsBehind() throws Exception {
        ReentrantLock applying = applyLock(cluster.follower());
        applying.lock();
        CompletableFuture<Verifier.Report> verify;
        try {
            client.write(3 * BLOCK, new byte[5000]);
            verify = cluster.leader().host().verify(TestCluster.GROUP, 1);
            assertThatThrownBy(() -> verify.get(1, TimeUnit.SECONDS))
                    .isInstanceOf(TimeoutException.class);
        } finally {
            applying.unlock();
        }
        assertThat(verify.get().differences()).isEmpty();
        assertThat(verify.get().missing()).isEmpty();
    }

    /// What a replica that applies late has damaged, and the others have freed meanwhile, is not
    /// lost: nobody wants it any more.
    @Test
    void aDamagedBlockThatTheOthersHaveFreedIsNotCorrupt() throws Exception {
        TestCluster.Node node = cluster.follower();
        damage(node, 35);
        ReentrantLock applying = applyLock(node);
        applying.lock();
        CompletableFuture<byte[]> read;
        try {
            client.zero(32 * BLOCK, 8 * BLOCK, true);
            long freed = cluster.leader().status().appliedIndex();
            cluster.await(
                    "the others have freed it",
                    () ->
                            cluster.nodes.stream()
                                    .filter(other -> other != node)
                                    .allMatch(other -> other.status().appliedIndex() >= freed));
            ByteBuffer dst = ByteBuffer.allocate(BLOCK);
            ReadRequest request = new ReadRequest(1, null, client.attachment, 0);
            read = client.at(node).read(request, 35 * BLOCK, dst).thenApply(receipt -> dst.array());
            assertThatThrownBy(() -> read.get(200, TimeUnit.MILLISECONDS))
                    .isInstanceOf(TimeoutException.class);
        } finally {
            applying.unlock();
        }
        assertThat(read.get()).isEqualTo(new byte[BLOCK]);
    }

    /// The lock that a node's replica applies under.
    private static ReentrantLock applyLock(TestCluster.Node node) throws Exception {
        Store store = node.host().replicas().replica(TestCluster.GROUP).store();
        Field lock = store.getClass().getDeclaredField("lock");
        lock.setAccessible(true);
        return (ReentrantLock) lock.get(store);
    }

    @Test
    void verifyAgreesWhileEverythingIsBeingWritten() throws Exception {
        AtomicBoolean running = new AtomicBoolean(true);
        List<Thread> writers = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            int lane = i;
            writers.add(
                    Thread.ofPlatform()
                            .start(() -> {
                                for (int n = lane; running.get(); n += 4) {
                                    client.write((long) (n % 400) * BLOCK, block(n % BLOCKS));
                                }
                            }));
        }
        try {
            for (int i = 0; i < 5; i++) {
                Verifier.Report found = cluster.leader().host().verify(TestCluster.GROUP, 1).get();
                assertThat(found.differences()).isEmpty();
                assertThat(found.missing()).isEmpty();
            }
        } finally {
            running.set(false);
            for (Thread writer : writers) {
                writer.join();
            }
        }
    }
}
