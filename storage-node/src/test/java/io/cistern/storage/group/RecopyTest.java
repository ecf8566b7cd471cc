package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.RaftGroups;
import io.cistern.raft.StateMachine;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Tamper;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A replica that is copied anew is out of use meanwhile: none is because somebody says so, and
/// whatever else happens to one at the same time leaves something that can be told.
class RecopyTest {
    private static final int BLOCK = 4096;

    @TempDir Path directory;
    private TestCluster cluster;
    private TestClient client;
    private NodePeers stranger;

    @BeforeEach
    void start() {
        cluster = new TestCluster(directory, TestCluster.Options.of(3));
        client = new TestClient(cluster, 1).create(64 << 20).attach(AttachMode.SHARED);
        client.write(0, block(1));
        cluster.awaitEven();
        stranger =
                new NodePeers(
                        cluster.client,
                        name -> cluster.node(name).wireAddress,
                        Duration.ofSeconds(5));
    }

    @AfterEach
    void stop() {
        client.close();
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    private static byte[] block(int stamp) {
        byte[] block = new byte[BLOCK];
        Arrays.fill(block, (byte) (stamp + 65));
        return block;
    }

    private CompletableFuture<Boolean> say(TestCluster.Node to, TestCluster.Node source) {
        WireCut.RecopyRequest request =
                new WireCut.RecopyRequest(TestCluster.GROUP, to.peer, source.name, "differs");
        return stranger.call(to.name, Wire.RECOPY, request::encode, in -> true);
    }

    private static void spoil(TestCluster.Node node) throws Exception {
        Tamper.changeBlock(node.host().replicas().replica(TestCluster.GROUP).store(), block(9));
    }

    private ReplicaCheck.Report check(TestCluster.Node leader) throws Exception {
        return leader.host().check(TestCluster.GROUP, true).get();
    }

    @Test
    void whatNobodyOrderedIsRefused() {
        TestCluster.Node leader = cluster.leader();
        List<TestCluster.Node> followers = cluster.nodes.stream().filter(n -> n != leader).toList();
        List<Replica> before =
                followers.stream()
                        .map(n -> n.host().replicas().replica(TestCluster.GROUP))
                        .toList();
        List<CompletableFuture<Boolean>> said =
                followers.stream().map(n -> say(n, leader)).toList();
        for (CompletableFuture<Boolean> one : said) {
            assertThat(one)
                    .failsWithin(Duration.ofSeconds(20))
                    .withThrowableThat()
                    .withMessageContaining("nothing here wants");
        }
        assertThat(followers.stream().map(n -> n.host().replicas().replica(TestCluster.GROUP)))
                .as("none was closed")
                .isEqualTo(before);
        assertThat(say(leader, followers.getFirst())).failsWithin(Duration.ofSeconds(20));
        followers.getLast().stop();
        assertThat(say(followers.getFirst(), leader))
                .failsWithin(Duration.ofSeconds(20))
                .withThrowableThat()
                .withMessageContaining("only 1 others serve");
        client.write(BLOCK, block(2));
    }

    /// Raft that fails to close, once: the replica cannot be used as it is, and says so.
    @Test
    void aReplicaThatCannotBeClosedIsReportedAsDamaged() throws Exception {
        TestCluster.Node odd = cluster.follower();
        AtomicInteger failures = new AtomicInteger(1);
        odd.groups = real -> new FailingClose(real, failures);
        odd.stop();
        odd.restart();
        cluster.await("it is back", () -> odd.status().role() == ReplicaStatus.Role.FOLLOWER);
        client.write(BLOCK, block(2));
        cluster.awaitEven();
        spoil(odd);
        assertThat(check(cluster.leader()).differences()).isNotEmpty();
        cluster.await("it is reported", () -> cluster.rebuilds.containsKey(odd.peer));
        assertThat(odd.status().role()).isEqualTo(ReplicaStatus.Role.QUARANTINED);
        odd.host().remove(TestCluster.GROUP, odd.disk());
        assertThat(odd.disk().groups()).isEmpty();
        assertThat(odd.disk().freeBytes()).isEqualTo(odd.disk().capacityBytes());
    }

    /// Not as a refusal, but as something that nobody expects.
    @Test
    void aReplicaWhoseOpeningBreaksCanBeOpenedAgain() {
        TestCluster.Node node = cluster.follower();
        AtomicInteger failures = new AtomicInteger();
        node.groups = real -> new FailingOpen(real, failures);
        node.stop();
        node.restart();
        cluster.await("it is back", () -> node.status().role() == ReplicaStatus.Role.FOLLOWER);
        node.host().close(TestCluster.GROUP);
        failures.set(2);
        for (String step : List.of("before its store is open", "as Raft starts")) {
            assertThatThrownBy(() -> open(node)).as(step).isInstanceOf(IllegalStateException.class);
            assertThat(node.host().status()).as(step).isEmpty();
        }
        open(node);
        cluster.await("it is back", () -> node.status().role() == ReplicaStatus.Role.FOLLOWER);
        client.write(BLOCK, block(2));
        cluster.awaitEven();
    }

    private static void open(TestCluster.Node node) {
        node.host().open(TestCluster.GROUP, node.disk(), node.peer, List.of());
    }

    @Test
    void aReplicaThatIsDeletedWhileItIsCopiedAnewIsGone() throws Exception {
        TestCluster.Node odd = cluster.follower();
        String source = cluster.leader().name;
        odd.host()
                .replicas()
                .recopy(TestCluster.GROUP, odd.peer, List.of(source), "a test says so");
        assertThatThrownBy(() -> odd.host().remove(TestCluster.GROUP, odd.disk()))
                .as("its store is being closed")
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.BUSY));
        assertThatThrownBy(() ->
                        odd.host()
                                .replicas()
                                .recopy(
                                        TestCluster.GROUP,
                                        odd.peer,
                                        List.of(source),
                                        "a second time"))
                .isInstanceOf(CisternException.class);
        assertThat(odd.status().peer()).as("it is told meanwhile").isEqualTo(odd.peer);
        cluster.await("it can be deleted", () -> removed(odd));
        assertThat(odd.host().status()).isEmpty();
        assertThat(odd.disk().groups()).isEmpty();
        assertThat(odd.disk().freeBytes()).isEqualTo(odd.disk().capacityBytes());
        client.write(BLOCK, block(2));
    }

    /// The only sound source is away: the copy waits for it, also after a restart, and is not taken
    /// from one that may differ elsewhere.
    @Test
    void aCopyGoesOnFromASoundReplicaAlone() throws Exception {
        TestCluster.Node source = cluster.leader();
        TestCluster.Node odd = cluster.follower();
        TestCluster.Node other =
                cluster.nodes.stream()
                        .filter(n -> n != source && n != odd)
                        .findFirst()
                        .orElseThrow();
        spoil(odd);
        spoil(other);
        source.stop();
        other.stop();
        odd.host()
                .replicas()
                .recopy(TestCluster.GROUP, odd.peer, List.of(source.name), "a test says so");
        cluster.await(
                "it has begun",
                () -> odd.host().replicas().replica(TestCluster.GROUP).store().importing());
        odd.stop();
        odd.restart();
        assertThat(odd.host().replicas().replica(TestCluster.GROUP).store().importing()).isTrue();
        assertThat(odd.disk().allowedSources(TestCluster.GROUP.value()))
                .containsExactly(source.name);
        other.restart();
        assertThat(odd.status().role()).isEqualTo(ReplicaStatus.Role.CATCHING_UP);
        source.restart();
        cluster.await("it is copied", () -> odd.status().role() != ReplicaStatus.Role.CATCHING_UP);
        client.write(BLOCK, block(2));
        cluster.awaitEven();
        assertThat(odd.disk().allowedSources(TestCluster.GROUP.value())).isEmpty();
        ByteBuffer dst = ByteBuffer.allocate(BLOCK);
        client.at(odd).read(new ReadRequest(1, null, client.attachment, 0), 0, dst).get();
        assertThat(dst.array()).isEqualTo(block(1));
    }

    private static boolean removed(TestCluster.Node node) {
        node.host().remove(TestCluster.GROUP, node.disk());
        return true;
    }

    /// Groups of which nothing is to be had so many times.
    private record FailingOpen(RaftGroups real, AtomicInteger failures) implements RaftGroups {
        @Override
        public InetSocketAddress address() {
            if (failures.get() == 2) {
                fail();
            }
            return real.address();
        }

        @Override
        public RaftGroup open(
                GroupId id, String self, List<Peer> members, StateMachine stateMachine) {
            fail();
            return real.open(id, self, members, stateMachine);
        }

        private void fail() {
            if (failures.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
                throw new IllegalStateException("a broken step");
            }
        }

        @Override
        public void remove(GroupId id) {
            real.remove(id);
        }
    }

    /// Groups whose closing fails so many times, when all has been closed.
    private record FailingClose(RaftGroups real, AtomicInteger failures) implements RaftGroups {
        @Override
        public InetSocketAddress address() {
            return real.address();
        }

        @Override
        public RaftGroup open(
                GroupId id, String self, List<Peer> members, StateMachine stateMachine) {
            RaftGroup group = real.open(id, self, members, stateMachine);
            return (RaftGroup)
                    Proxy.newProxyInstance(
                            RaftGroup.class.getClassLoader(),
                            new Class<?>[] {RaftGroup.class},
                            (proxy, method, arguments) -> {
                                try {
                                    Object result = method.invoke(group, arguments);
                                    if (method.getName().equals("close")
                                            && failures.getAndDecrement() > 0) {
                                        throw new IllegalStateException("it does not close");
                                    }
                                    return result;
                                } catch (InvocationTargetException e) {
                                    throw e.getCause();
                                }
                            });
        }

        @Override
        public void remove(GroupId id) {
            real.remove(id);
        }
    }
}
