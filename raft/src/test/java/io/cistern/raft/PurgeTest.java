package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.file.Path;
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
