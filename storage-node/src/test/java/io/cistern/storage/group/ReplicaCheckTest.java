package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.SetAttributes;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.CreateSnapshots.Target;
import io.cistern.storage.Store;
import io.cistern.storage.Tamper;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Replicas that differ where every checksum fits.
class ReplicaCheckTest {
    private static final int BLOCK = 4096;

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
        written = new byte[60 * BLOCK];
        new Random(seed).nextBytes(written);
        client.write(0, written);
        client.execute(new Command.CreateSnapshots(List.of(new Target(1, "s")), 1));
        client.write(32 * BLOCK, new byte[BLOCK]);
        System.arraycopy(new byte[BLOCK], 0, written, 32 * BLOCK, BLOCK);
        cluster.awaitEven();
    }

    @AfterEach
    void stop() {
        client.close();
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    private static Store store(TestCluster.Node node) {
        return node.host().replicas().replica(TestCluster.GROUP).store();
    }

    private ReplicaCheck.Report check(boolean repair) throws Exception {
        ReplicaCheck.Report report = cluster.leader().host().check(TestCluster.GROUP, repair).get();
        System.out.println(report);
        return report;
    }

    private void assertClean() throws Exception {
        ReplicaCheck.Report report = check(false);
        assertThat(report.differences()).isEmpty();
        assertThat(report.missing()).isEmpty();
        assertThat(report.repairs()).isEmpty();
        assertThat(report.index()).isPositive();
    }

    private byte[] readAt(TestCluster.Node node, int length) throws Exception {
        ByteBuffer dst = ByteBuffer.allocate(length);
        client.at(node).read(new ReadRequest(1, null, client.attachment, 0), 0, dst).get();
        return dst.array();
    }

    @Test
    void aBlockThatOneFollowerAloneHasIsNamedAndTheFollowerCopiedAnew() throws Exception {
        assertClean();
        TestCluster.Node odd = cluster.follower();
        Tamper.changeBlock(store(odd), block(7));
        assertThat(readAt(odd, BLOCK)).as("its checksum fits").isEqualTo(block(7));

        ReplicaCheck.Report reported = check(false);
        assertThat(reported.differences())
                .isNotEmpty()
                .allSatisfy(d -> {
                    assertThat(d.volume()).isEqualTo(1);
                    assertThat(d.text()).contains("64 KiB at 0", "another on " + odd.peer);
                })
                .anySatisfy(d -> assertThat(d.text()).contains("of snapshot 's'"));
        assertThat(readAt(odd, BLOCK)).as("only reported").isEqualTo(block(7));

        ReplicaCheck.Report repaired = check(true);
        assertThat(repaired.repairs())
                .singleElement()
                .asString()
                .contains(odd.peer + " differs from the majority", "was copied anew");
        assertThat(readAt(odd, written.length)).isEqualTo(written);
        assertThat(odd.status().repairs().copiedBytes())
                .as("what is equal is not sent")
                .isLessThan(2 * 16 * BLOCK + 1);
        assertClean();
        assertThat(cluster.rebuilds).as("its log and name are kept").isEmpty();
    }

    private static byte[] block(int stamp) {
        byte[] block = new byte[BLOCK];
        java.util.Arrays.fill(block, (byte) (stamp + 65));
        return block;
    }

    @Test
    void aLeaderThatDiffersHandsOverAndIsCopiedAnew() throws Exception {
        TestCluster.Node odd = cluster.leader();
        Tamper.changeBlock(store(odd), block(9));
        ReplicaCheck.Report repaired = check(true);
        assertThat(repaired.differences()).isNotEmpty();
        assertThat(repaired.repairs()).singleElement().asString().contains("handed over the lead");
        cluster.await("the replica is back", () -> odd.raftGroup() != null);
        client.write(BLOCK, block(3));
        System.arraycopy(block(3), 0, written, BLOCK, BLOCK);
        cluster.awaitEven();
        assertThat(readAt(odd, written.length)).isEqualTo(written);
        assertClean();
    }

    @Test
    void aRowOfAShareThatOneReplicaHasLostIsNamedAndBroughtBack() throws Exception {
        try (TestClient front = new TestClient(cluster, 2)) {
            TestShare share = new TestShare(front, 2);
            Call call = Call.of(Credentials.ROOT);
            for (String name : List.of("one", "two", "three")) {
                share.mkdir(call, FileId.ROOT, ByteString.utf8(name), SetAttributes.NONE).get();
            }
            cluster.awaitEven();
            assertClean();
            TestCluster.Node odd = cluster.follower();
            assertThat(Tamper.removeEntry(store(odd), "two")).isPositive();
            ReplicaCheck.Report found = check(true);
            assertThat(found.differences())
                    .anySatisfy(d -> {
                        assertThat(d.volume()).isEqualTo(2);
                        assertThat(d.text())
                                .contains("the entry \"two\" of directory inode")
                                .contains("missing on " + odd.peer);
                    });
            assertThat(found.repairs()).singleElement().asString().contains("was copied anew");
            assertClean();
        }
    }

    @Test
    void withoutAMajorityNothingIsChanged() throws Exception {
        int stamp = 0;
        for (TestCluster.Node node : cluster.nodes) {
            Tamper.changeBlock(store(node), block(stamp++));
        }
        ReplicaCheck.Report report = check(true);
        assertThat(report.differences()).isNotEmpty();
        assertThat(report.repairs()).singleElement().asString().contains("nothing was changed");
        stamp = 0;
        for (TestCluster.Node node : cluster.nodes) {
            assertThat(readAt(node, BLOCK)).isEqualTo(block(stamp++));
        }
    }

    @Test
    void twoOfThreeThatDifferAreNoMajority() throws Exception {
        TestCluster.Node odd = cluster.follower();
        Tamper.changeBlock(store(odd), block(4));
        TestCluster.Node down =
                cluster.nodes.stream()
                        .filter(n -> n != odd && n != cluster.leader())
                        .findFirst()
                        .orElseThrow();
        down.stop();
        ReplicaCheck.Report report = check(true);
        assertThat(report.missing()).containsOnlyKeys(down.peer);
        assertThat(report.differences()).isNotEmpty();
        assertThat(report.repairs()).singleElement().asString().contains("nothing was changed");
        assertThat(readAt(odd, BLOCK)).isEqualTo(block(4));
    }

    @Test
    void onlyTheLeaderCompares() {
        assertThatThrownBy(() -> cluster.follower().host().check(TestCluster.GROUP, false).get())
                .isInstanceOf(ExecutionException.class)
                .satisfies(e ->
                        assertThat(CisternException.of(e).code()).isEqualTo(ErrorCode.NOT_LEADER));
    }

    @Test
    void replicasAgreeWhileEverythingIsBeingWrittenAndOneIsCopiedAnew() throws Exception {
        AtomicBoolean running = new AtomicBoolean(true);
        List<Thread> writers =
                List.of(
                        Thread.ofPlatform().start(() -> write(running, 0)),
                        Thread.ofPlatform().start(() -> write(running, 1)),
                        Thread.ofPlatform().start(() -> snapshots(running)));
        try {
            for (int i = 0; i < 3; i++) {
                assertClean();
            }
            TestCluster.Node odd = cluster.follower();
            Tamper.changeBlock(store(odd), block(11));
            assertThat(check(true).repairs())
                    .singleElement()
                    .asString()
                    .contains("was copied anew");
            assertClean();
        } finally {
            running.set(false);
            for (Thread writer : writers) {
                writer.join();
            }
        }
    }

    /// Beside the first granule, which is tampered with.
    private void write(AtomicBoolean running, int lane) {
        for (int n = lane; running.get(); n += 2) {
            client.write((long) (16 + n % 400) * BLOCK, block(n % 50));
        }
    }

    private void snapshots(AtomicBoolean running) {
        for (int n = 0; running.get(); n++) {
            String name = "t" + n;
            client.execute(new Command.CreateSnapshots(List.of(new Target(1, name)), 1));
            client.zero((100 + n % 300) * BLOCK, 5 * BLOCK, n % 2 == 0);
            client.execute(new Command.DeleteSnapshot(1, name));
        }
    }

    @Test
    void leakedSlotsAreReportedAndFreed() throws Exception {
        TestCluster.Node node = cluster.follower();
        assertThat(node.host().checkBooks().get()).isEmpty();
        long free = node.disk().freeBytes();
        Tamper.leak(store(node), 5);
        assertThat(node.host().checkBooks().get())
                .singleElement()
                .asString()
                .contains("5 slots", "5 were freed");
        assertThat(node.disk().freeBytes()).isEqualTo(free);
        assertThat(node.host().checkBooks().get()).isEmpty();
    }

    @Test
    void aReplicaWithASlotThatIsUsedTwiceIsBuiltAnew() throws Exception {
        TestCluster.Node node = cluster.follower();
        Tamper.share(store(node));
        assertThat(node.host().checkBooks().get())
                .anySatisfy(f -> assertThat(f).contains("is used twice"));
        cluster.await("it is reported", () -> cluster.rebuilds.containsKey(node.peer));
        assertThat(node.status().role()).isEqualTo(ReplicaStatus.Role.QUARANTINED);
    }
}
