package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A member that is down must not keep the others from purging their logs. With
/// `log.purge.upto.snapshot.index` at Ratis' default the log here grows to all that was written.
class PurgeTest {
    private static final RaftLogLimits SMALL = new RaftLogLimits(256 << 10, 64 << 10, 256 << 10);

    @TempDir Path directory;

    /// Durable as soon as applied.
    private static final class Checkpointing extends KeepingStateMachine {
        private final long retained;

        Checkpointing() {
            this(0);
        }

        Checkpointing(long retained) {
            this.retained = retained;
        }

        @Override
        public long retainedLogBytes() {
            return retained;
        }

        @Override
        public List<@Nullable Object> apply(LogPosition position, List<ByteBuffer> commands) {
            List<@Nullable Object> results = super.apply(position, commands);
            checkpoint = position;
            return results;
        }

        @Override
        @Nullable Object applyOne(byte[] command) {
            return null;
        }
    }

    private static void write(RaftGroup leader, int megabytes) throws Exception {
        for (int m = 0; m < megabytes; m++) {
            List<CompletableFuture<RaftGroup.Applied>> waiting = new ArrayList<>();
            for (int i = 0; i < 16; i++) {
                waiting.add(leader.propose(ByteBuffer.allocate(64 << 10)));
            }
            for (var one : waiting) {
                one.get(20, TimeUnit.SECONDS);
            }
        }
    }

    @Test
    void aDeadMemberDoesNotFillTheOthersDisks() throws Exception {
        Cluster cluster = new Cluster(directory);
        cluster.newMachine = Checkpointing::new;
        cluster.configure = config -> config.withLog(SMALL);
        try (cluster) {
            RaftGroup leader = cluster.start(3).leader();
            RaftGroup dead = cluster.others(leader).getFirst();
            write(leader, 1);
            dead.close();
            cluster.replicas.remove(dead.self().node());
            write(leader, 32);
            for (RaftGroup group : cluster.replicas.values()) {
                RaftGroup.Stats stats = group.stats();
                assertThat(stats.logBytes()).as("log of %s", group.self()).isLessThan(8L << 20);
                assertThat(stats.purgedIndex()).isPositive();
            }
            assertThat(leader.stats().logBytesWritten()).isGreaterThan(32L << 20);
            assertThat(leader.stats().fsyncs()).isPositive();
        }
    }

    /// A member that was away gets what it missed from the log as long as that is kept.
    @Test
    void aBoundedStretchOfTheLogIsKept() throws Exception {
        Cluster cluster = new Cluster(directory);
        cluster.newMachine = () -> new Checkpointing(4 << 20);
        cluster.configure = config -> config.withLog(SMALL);
        try (cluster) {
            RaftGroup leader = cluster.start(3).leader();
            RaftGroup away = cluster.others(leader).getFirst();
            for (int i = 0; i < 6; i++) {
                write(leader, 2);
                cluster.awaitApplied(leader.appliedIndex());
            }
            for (RaftGroup group : cluster.replicas.values()) {
                await().untilAsserted(() ->
                        assertThat(group.stats().logBytes())
                                .as("log of %s", group.self())
                                .isBetween(4L << 20, 6L << 20));
            }
            cluster.isolate(away);
            write(leader, 2);
            cluster.heal();
            // Its state machine cannot install anything.
            away.awaitApplied(leader.appliedIndex(), Duration.ofSeconds(20)).join();
            // And it restarts with more log than lies behind its checkpoint.
            LogPosition checkpoint = cluster.machine(away).checkpoint;
            away.close();
            cluster.newMachine =
                    () -> {
                        KeepingStateMachine machine = new Checkpointing(4 << 20);
                        machine.checkpoint = checkpoint;
                        return machine;
                    };
            RaftGroup again = cluster.open(away.self().node());
            // It never falls back by more than what is kept.
            for (int i = 0; i < 4; i++) {
                again.awaitApplied(leader.appliedIndex(), Duration.ofSeconds(20)).join();
                write(leader, 2);
            }
            again.awaitApplied(leader.appliedIndex(), Duration.ofSeconds(20)).join();
            await().untilAsserted(() ->
                    assertThat(again.stats().logBytes()).isBetween(4L << 20, 6L << 20));
        }
    }

    @Test
    void nothingIsKeptForOthersWhereSpaceIsShort() {
        long gib = 1L << 30;
        assertThat(LogRetention.allowed(gib, 100 * gib, 200 * gib)).isEqualTo(gib);
        assertThat(LogRetention.allowed(gib, 10 * gib, 200 * gib)).isEqualTo(gib / 2);
        assertThat(LogRetention.allowed(gib, 8 * gib, 200 * gib)).isZero();
        assertThat(LogRetention.allowed(gib, 2 * gib, 20 * gib)).isZero();
        assertThat(LogRetention.allowed(gib, 3 * gib, 20 * gib)).isEqualTo(gib / 4);
        assertThat(LogRetention.allowed(gib, 0, 0)).isZero();
    }

    @Test
    void aReplicaRestartsBehindItsCheckpointWithTheMembershipInForce() throws Exception {
        Cluster cluster = new Cluster(directory);
        cluster.newMachine = Checkpointing::new;
        cluster.configure = config -> config.withLog(SMALL);
        try (cluster) {
            RaftGroup leader = cluster.start(1).leader();
            write(leader, 4);
            assertThat(leader.stats().purgedIndex()).isPositive();
            long applied = leader.appliedIndex();
            LogPosition checkpoint = cluster.machine(leader).checkpoint;
            leader.close();
            cluster.newMachine =
                    () -> {
                        KeepingStateMachine machine = new KeepingStateMachine();
                        machine.checkpoint = checkpoint;
                        return machine;
                    };
            // Opened as a joiner: the membership comes from what the replica kept.
            cluster.members.clear();
            RaftGroup again = cluster.open("n1");
            assertThat(cluster.leader()).isSameAs(again);
            assertThat(again.members()).extracting(Peer::id).containsExactly("n1.0");
            assertThat(again.appliedIndex()).isGreaterThanOrEqualTo(applied);
            assertThat(cluster.machine(again).applied)
                    .as("entries behind the checkpoint")
                    .isEmpty();
            assertThat(Cluster.propose(again, "more").index()).isGreaterThan(applied);
        }
    }
}
