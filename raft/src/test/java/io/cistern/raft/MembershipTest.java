package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MembershipTest {
    private static final Duration LONG = Duration.ofSeconds(30);

    @TempDir Path directory;

    private static void change(RaftGroup leader, List<Peer> voters, List<Peer> listeners)
            throws Exception {
        leader.setMembers(voters, listeners).get(LONG.toSeconds(), TimeUnit.SECONDS);
    }

    @Test
    void aListenerCatchesUpIsPromotedAndTakesOver() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 1)) {
            RaftGroup first = cluster.leader();
            Cluster.propose(first, "a");
            Peer old = first.self();
            RaftHost host = cluster.startHost("n2");
            Peer joiner = new Peer("n2.0", "n2", host.address(), 0);
            cluster.members.clear();
            RaftGroup second = cluster.open("n2");
            assertThat(second.leadership().leader()).isNull();

            change(first, List.of(old), List.of(joiner));
            long index = Cluster.propose(first, "b").index();
            second.awaitApplied(index, LONG).get();
            assertThat(cluster.machine(second).applied).containsExactly("a", "b");
            assertThat(first.members()).extracting(Peer::id).containsExactly("n1.0", "n2.0");

            change(first, List.of(old, joiner), List.of());
            assertThat(first.stats().followerIndexes()).containsKey("n2.0");
            first.transferLeadership("n2.0", LONG).get(LONG.toSeconds(), TimeUnit.SECONDS);
            await().atMost(LONG).until(() -> second.leadership().ready());
            change(second, List.of(joiner), List.of());
            Cluster.propose(second, "c");
            assertThat(cluster.machine(second).applied).containsExactly("a", "b", "c");
            await().atMost(LONG)
                    .until(() ->
                            second.members().stream()
                                    .map(Peer::id)
                                    .toList()
                                    .equals(List.of("n2.0")));
            assertThat(cluster.machine(second).memberships.getLast())
                    .extracting(Peer::id)
                    .containsExactly("n2.0");

            // The membership that was changed, not the one at the beginning, is there at a restart.
            second.close();
            RaftGroup again = cluster.open("n2");
            cluster.replicas.remove("n1");
            assertThat(cluster.leader()).isSameAs(again);
            assertThat(Cluster.propose(again, "d").result()).isEqualTo(4);
        }
    }

    /// Durable as applied, and able to fetch its state from the leader's.
    private static final class Fetching extends KeepingStateMachine {
        private static final ConcurrentHashMap<Path, ConcurrentHashMap<String, Fetching>> ALL =
                new ConcurrentHashMap<>();

        private final ConcurrentHashMap<String, Fetching> cluster;
        volatile int installs;

        Fetching(Path directory) {
            cluster = ALL.computeIfAbsent(directory, d -> new ConcurrentHashMap<>());
        }

        @Override
        public List<@Nullable Object> apply(LogPosition position, List<ByteBuffer> commands) {
            synchronized (cluster) {
                List<@Nullable Object> results = super.apply(position, commands);
                checkpoint = position;
                return results;
            }
        }

        @Override
        @Nullable Object applyOne(byte[] command) {
            applied.add("x" + command.length);
            return null;
        }

        @Override
        public CompletableFuture<LogPosition> install(Peer leader, LogPosition firstAvailable) {
            installs++;
            if (installs == 1) {
                return CompletableFuture.failedFuture(new IllegalStateException("link is down"));
            }
            Fetching from = cluster.get(leader.node());
            if (from == null) {
                return CompletableFuture.failedFuture(new IllegalStateException("no " + leader));
            }
            synchronized (cluster) {
                applied.clear();
                applied.addAll(from.applied);
                checkpoint = from.checkpoint;
                return CompletableFuture.completedFuture(checkpoint);
            }
        }
    }

    /// The log no longer reaches back to what the joiner lacks: it fetches the state, at the second
    /// attempt, and then follows the log.
    @Test
    void aReplicaThatIsTooFarBehindInstallsTheStateAndGoesOn() throws Exception {
        Cluster cluster = new Cluster(directory);
        cluster.newMachine = () -> new Fetching(directory);
        cluster.configure =
                config -> config.withLog(new RaftLogLimits(128 << 10, 64 << 10, 64 << 10));
        try (cluster) {
            RaftGroup first = cluster.start(1).leader();
            Fetching source = (Fetching) cluster.machine(first);
            source.cluster.put("n1", source);
            for (int i = 0; i < 20; i++) {
                List<CompletableFuture<RaftGroup.Applied>> waiting = new ArrayList<>();
                for (int k = 0; k < 4; k++) {
                    waiting.add(first.propose(ByteBuffer.allocate(20_000 + i)));
                }
                for (var one : waiting) {
                    one.get(20, TimeUnit.SECONDS);
                }
            }
            assertThat(first.stats().purgedIndex()).isPositive();
            RaftHost host = cluster.startHost("n2");
            Peer joiner = new Peer("n2.0", "n2", host.address(), 0);
            cluster.members.clear();
            RaftGroup second = cluster.open("n2");
            change(first, List.of(first.self()), List.of(joiner));
            long index = first.propose(ByteBuffer.allocate(7)).get(20, TimeUnit.SECONDS).index();
            second.awaitApplied(index, LONG).get();
            assertThat(cluster.machine(second).applied).isEqualTo(source.applied);
            assertThat(((Fetching) cluster.machine(second)).installs).isGreaterThanOrEqualTo(2);
            change(first, List.of(first.self(), joiner), List.of());
            assertThat(first.propose(ByteBuffer.allocate(8))).succeedsWithin(LONG);
        }
    }
}
