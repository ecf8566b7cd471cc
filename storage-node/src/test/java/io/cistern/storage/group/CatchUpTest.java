package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Replicas that were away for longer than the log reaches back, and new ones.
@SuppressWarnings("NullAway.Init")
class CatchUpTest {
    private static final int GRANULE = 64 << 10;
    private static final int SIZE = 12 << 20;

    @TempDir Path directory;
    private TestCluster cluster;
    private TestClient client;
    private final byte[] expected = new byte[SIZE];
    private Random random;

    private void start(TestCluster.Options options) {
        long seed = new Random().nextLong();
        System.out.println("seed " + seed);
        random = new Random(seed);
        cluster = new TestCluster(directory, options);
        client = new TestClient(cluster, 1).create(SIZE).attach(AttachMode.SHARED);
    }

    @AfterEach
    void stop() {
        client.close();
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    private void write(int offset, int length) {
        byte[] data = new byte[length];
        random.nextBytes(data);
        client.write(offset, data);
        System.arraycopy(data, 0, expected, offset, length);
    }

    private void zero(int offset, int length) {
        client.zero(offset, length, true);
        Arrays.fill(expected, offset, offset + length, (byte) 0);
    }

    /// Writes until the leader's log begins behind `index`.
    private void purgeLogPast(long index) {
        TestCluster.Node leader = cluster.leader();
        cluster.await(
                "the log purged past " + index,
                () -> {
                    write(0, 4 * GRANULE);
                    RaftGroup raft = leader.raftGroup();
                    return raft != null && raft.stats().purgedIndex() > index;
                });
    }

    private void same(TestCluster.Node node) throws Exception {
        cluster.awaitEven();
        cluster.await(
                node.name + " readable",
                () -> node.status().role() != ReplicaStatus.Role.CATCHING_UP);
        ByteBuffer dst = ByteBuffer.allocate(SIZE);
        // The client may just be pausing before it connects again to a node that restarted.
        cluster.await(node.name + " answers", () -> reads(node, dst));
        assertThat(dst.array()).isEqualTo(expected);
    }

    private boolean reads(TestCluster.Node node, ByteBuffer dst) {
        try {
            client.at(node)
                    .read(new ReadRequest(1, null, client.attachment, 0), 0, dst.clear())
                    .get();
            return true;
        } catch (ExecutionException | InterruptedException e) {
            if (e.getCause() instanceof CisternException refused
                    && refused.code() == ErrorCode.UNAVAILABLE) {
                return false;
            }
            throw new AssertionError(e);
        }
    }

    @Test
    void aReplicaThatWasAwayGetsOnlyWhatChanged() throws Exception {
        start(TestCluster.Options.of(3).smallLogs());
        cluster.awaitEven();
        TestCluster.Node away = cluster.follower();
        // Its checkpoint stays behind: what it has is in its log alone.
        away.stop();
        away.tuning = away.tuning.withCheckpointLogBytes(1 << 30);
        away.restart();
        write(0, SIZE);
        cluster.awaitEven();
        long seen = away.status().appliedIndex();
        away.stop();
        write(20 * GRANULE, 3 * GRANULE);
        zero(40 * GRANULE, 2 * GRANULE);
        zero(50 * GRANULE + 4096, 8192);
        client.execute(
                new Command.CreateSnapshots(
                        List.of(new Command.CreateSnapshots.Target(1, "s")), 1));
        write(30 * GRANULE, GRANULE);
        purgeLogPast(seen);
        away.restart();
        same(away);
        long copied = away.status().repairs().copiedBytes();
        assertThat(copied).isBetween((long) 4 * GRANULE, (long) SIZE / 3);
        byte[] snapshot = expected.clone();
        ByteBuffer dst = ByteBuffer.allocate(GRANULE);
        client.at(away).read(new ReadRequest(1, "s", 0, 0), 20 * GRANULE, dst).get();
        assertThat(dst.array()).isEqualTo(Arrays.copyOfRange(snapshot, 20 * GRANULE, 21 * GRANULE));
        // And it takes part again.
        TestCluster.Node leader = cluster.leader();
        leader.stop();
        write(7 * GRANULE, GRANULE);
        leader.restart();
        same(leader);
        same(away);
    }

    @Test
    void aShortAbsenceIsMendedFromTheLogAlone() throws Exception {
        TestCluster.Options options = TestCluster.Options.of(3).smallLogs();
        start(options.tuning(options.tuning().withLogRetentionBytes(SIZE)));
        write(0, SIZE);
        cluster.awaitEven();
        TestCluster.Node away = cluster.follower();
        long seen = away.status().appliedIndex();
        away.stop();
        for (int i = 0; i < 50; i++) {
            write(random.nextInt(SIZE / 4096) * 4096, 4096);
        }
        TestCluster.Node leader = cluster.leader();
        cluster.await(
                "a checkpoint of what it missed",
                () -> {
                    write(0, GRANULE);
                    return leader.status().checkpointIndex() > seen;
                });
        away.restart();
        same(away);
        assertThat(away.status().repairs().copiedBytes()).isZero();
    }

    /// The leader is lost while another replica, which a majority then needs, copies its state.
    @Test
    void aReplicaThatCopiesGoesOnFromAnotherMemberWhenItsSourceIsLost() throws Exception {
        start(TestCluster.Options.of(3).smallLogs());
        write(0, SIZE);
        cluster.awaitEven();
        TestCluster.Node away = cluster.follower();
        long seen = away.status().appliedIndex();
        away.stop();
        write(0, SIZE);
        purgeLogPast(seen);
        TestCluster.Node leader = cluster.leader();
        away.tuning = away.tuning.withCatchUpBytesPerSecond(2 << 20);
        away.restart();
        cluster.await("some of it is copied", () -> away.status().repairs().copiedBytes() > 0);
        leader.stop();
        assertThat(away.status().role()).isEqualTo(ReplicaStatus.Role.CATCHING_UP);
        assertThat(away.status().repairs().copiedBytes()).isLessThan(SIZE);
        write(7 * GRANULE, GRANULE);
        leader.restart();
        same(leader);
        same(away);
    }

    @Test
    void aNewReplicaGetsEverything() throws Exception {
        start(TestCluster.Options.of(4).smallLogs());
        // The fourth node is not a member yet.
        TestCluster.Node fresh = cluster.nodes.get(3);
        List<Peer> three = cluster.nodes.stream().limit(3).map(TestCluster.Node::asPeer).toList();
        List<Peer> four = new ArrayList<>(three);
        cluster.await("a leader to shrink the group", () -> setMembers(three, List.of()));
        fresh.host().remove(TestCluster.GROUP, fresh.disk());
        write(0, SIZE);
        purgeLogPast(20);
        fresh.peer = "n3.2";
        fresh.open(List.of());
        four.add(fresh.asPeer());
        cluster.await("the new member joins", () -> setMembers(three, List.of(fresh.asPeer())));
        cluster.await("the new member is promoted", () -> setMembers(four, List.of()));
        same(fresh);
        assertThat(fresh.status().repairs().copiedBytes()).isGreaterThan(SIZE / 2);
    }

    private boolean setMembers(List<Peer> voters, List<Peer> listeners) {
        RaftGroup raft = cluster.leader().raftGroup();
        if (raft == null) {
            return false;
        }
        try {
            raft.setMembers(voters, listeners).get();
            return true;
        } catch (InterruptedException | ExecutionException e) {
            System.out.println("members: " + e.getMessage());
            return false;
        }
    }

    @Test
    void anInterruptedCopyIsFinishedAfterARestartAndNotTakenForComplete() throws Exception {
        TestCluster.Options options = TestCluster.Options.of(3).smallLogs();
        start(options.tuning(options.tuning().withCatchUpBytesPerSecond(2 << 20)));
        write(0, SIZE);
        cluster.awaitEven();
        TestCluster.Node away = cluster.follower();
        long seen = away.status().appliedIndex();
        away.stop();
        write(0, SIZE);
        zero(10 * GRANULE, 5 * GRANULE);
        purgeLogPast(seen);
        away.restart();
        cluster.await(
                "some of it is copied", () -> away.status().repairs().copiedBytes() > SIZE / 3);
        assertThat(away.status().role()).isEqualTo(ReplicaStatus.Role.CATCHING_UP);
        away.stop();
        write(3 * GRANULE, GRANULE);
        away.restart();
        assertThat(away.status().role()).isEqualTo(ReplicaStatus.Role.CATCHING_UP);
        same(away);
        assertThat(away.status().repairs().copiedBytes())
                .as("what had arrived is not sent again")
                .isLessThan(SIZE - (1 << 20));
        // And it follows the log from there.
        write(9 * GRANULE, GRANULE);
        same(away);
    }
}
