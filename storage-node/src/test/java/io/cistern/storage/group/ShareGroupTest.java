package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.Call.OnceId;
import io.cistern.block.fs.CreateMode;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.SetAttributes;
import io.cistern.block.fs.testing.FileModel;
import io.cistern.raft.RaftGroup;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A share on three replicas that come and go.
@SuppressWarnings("NullAway.Init")
class ShareGroupTest {
    private static final Call ROOT = Call.of(Credentials.ROOT);

    @TempDir Path directory;
    private TestCluster cluster;
    private TestClient client;
    private TestShare share;
    private FileModel model;
    private Random random;

    private void start(TestCluster.Options options) {
        long seed = new Random().nextLong();
        System.out.println("seed " + seed);
        random = new Random(seed);
        cluster = new TestCluster(directory, options);
        client = new TestClient(cluster, 1);
        share = new TestShare(client, 1);
        model = new FileModel(share, random);
    }

    @AfterEach
    void stop() {
        client.close();
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    private void steps(int count) {
        for (int i = 0; i < count; i++) {
            model.step();
        }
    }

    private void snapshot(String name) {
        client.execute(
                new Command.CreateSnapshots(
                        List.of(new Command.CreateSnapshots.Target(1, name)), 1));
        model.snapshotted(name);
    }

    private void same(TestCluster.Node node) {
        cluster.awaitEven();
        cluster.await(
                node.name + " readable",
                () -> node.status().role() != ReplicaStatus.Role.CATCHING_UP);
        share.readFrom(node);
        model.compare();
        share.readFrom(null);
    }

    @Test
    void theLossOfALeaderChangesNothing() {
        start(TestCluster.Options.of(3));
        steps(150);
        snapshot("s");
        for (int i = 0; i < 2; i++) {
            TestCluster.Node leader = cluster.leader();
            leader.stop();
            steps(60);
            model.compare();
            leader.restart();
        }
        for (TestCluster.Node node : cluster.nodes) {
            same(node);
        }
    }

    @Test
    void aReplicaThatWasAwayGetsTheRowsToo() {
        start(TestCluster.Options.of(3).smallLogs());
        steps(200);
        cluster.awaitEven();
        TestCluster.Node away = cluster.follower();
        long seen = away.status().appliedIndex();
        away.stop();
        steps(100);
        snapshot("s");
        TestCluster.Node leader = cluster.leader();
        cluster.await(
                "the log purged past " + seen,
                () -> {
                    steps(20);
                    RaftGroup raft = leader.raftGroup();
                    return raft != null && raft.stats().purgedIndex() > seen;
                });
        away.restart();
        steps(50);
        same(away);
        // And it takes part again.
        cluster.leader().stop();
        steps(30);
        model.compare();
    }

    @Test
    void anOwnerThatWasReplacedIsFenced() {
        start(TestCluster.Options.of(1));
        TestClient second = new TestClient(cluster, 1).attach(AttachMode.EXCLUSIVE);
        assertThatThrownBy(() ->
                        share.mkdir(ROOT, FileId.ROOT, ByteString.utf8("d"), SetAttributes.NONE)
                                .join())
                .satisfies(
                        e -> assertThat(CisternException.of(e).code()).isEqualTo(ErrorCode.FENCED));
        second.close();
    }

    @Test
    void writesToOneBlockAtOnceKeepAllTheirBytes() {
        start(TestCluster.Options.of(3));
        FileId file = create("f");
        int writers = 16;
        List<Thread> threads = new ArrayList<>();
        for (int w = 0; w < writers; w++) {
            int at = w;
            threads.add(
                    Thread.ofVirtual()
                            .start(() -> {
                                for (int i = 0; i < 10; i++) {
                                    byte[] data = new byte[100];
                                    Arrays.fill(data, (byte) (at + 1));
                                    share.write(
                                                    ROOT,
                                                    file,
                                                    at * 1000L + i * 100,
                                                    ByteBuffer.wrap(data))
                                            .join();
                                }
                            }));
        }
        threads.forEach(t -> {
            try {
                t.join();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
        ByteBuffer got = share.read(Credentials.ROOT, file, 0, 1 << 20).join().bytes();
        assertThat(got.remaining()).isEqualTo(writers * 1000);
        for (int i = 0; i < writers * 1000; i++) {
            assertThat(got.get(i)).as("byte %s", i).isEqualTo((byte) (i / 1000 + 1));
        }
    }

    private FileId create(String name) {
        return share.create(
                        ROOT,
                        FileId.ROOT,
                        ByteString.utf8(name),
                        CreateMode.GUARDED,
                        SetAttributes.ofMode(0644))
                .join()
                .file()
                .id();
    }

    @Test
    void aRepeatedChangeReturnsItsFirstResultAlsoToAnotherOwner() {
        start(TestCluster.Options.of(3));
        Call once = Call.of(Credentials.ROOT, new OnceId(5, 1, 9, 0));
        ByteString name = ByteString.utf8("d");
        var first = share.mkdir(once, FileId.ROOT, name, SetAttributes.NONE).join();
        cluster.leader().stop();
        client.attach(AttachMode.EXCLUSIVE);
        var again = share.mkdir(once, FileId.ROOT, name, SetAttributes.NONE).join();
        assertThat(again).isEqualTo(first);
        CompletableFuture<?> other =
                share.mkdir(
                        Call.of(Credentials.ROOT, new OnceId(5, 1, 10, 0)),
                        FileId.ROOT,
                        name,
                        SetAttributes.NONE);
        assertThat(other).isCompletedExceptionally();
    }
}
