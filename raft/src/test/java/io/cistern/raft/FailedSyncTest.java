package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.apache.ratis.server.raftlog.RaftLog;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What could not be synced does not count, and the process ends.
@Timeout(60)
class FailedSyncTest {
    private static final Duration LONG = Duration.ofSeconds(20);

    private static final RaftTimings PATIENT =
            new RaftTimings(
                    Duration.ofSeconds(1),
                    Duration.ofSeconds(2),
                    Duration.ofMillis(200),
                    Duration.ofSeconds(10));

    @TempDir Path directory;

    /// The last entries of a log file are synced when it is closed, if more wait behind them. Ratis
    /// keeps a failure of that to itself.
    @Test
    void aFailedSyncOfAFileThatIsClosedEndsTheProcess() throws Exception {
        Cluster cluster = new Cluster(directory);
        cluster.configure =
                config ->
                        config.withTimings(PATIENT)
                                .withLog(new RaftLogLimits(64 << 10, 16 << 10, 64 << 10));
        try (cluster) {
            RaftGroup leader = cluster.start(3).leader();
            cluster.awaitApplied(Cluster.propose(leader, "before").index());
            RatisGroup slow = (RatisGroup) cluster.others(leader).getFirst();
            RaftLog log = slow.division().getRaftLog();
            HeldChannel channel = HeldChannel.of(slow);
            long last = 0;
            for (int i = 0; i < 24; i++) {
                last = leader.propose(ByteBuffer.allocate(4 << 10)).get(20, TimeUnit.SECONDS).index();
            }
            long all = last;
            await().atMost(LONG).until(() -> channel.held.get() > 0 && log.getNextIndex() > all);
            long stored = log.getFlushIndex();
            channel.letGoAndFail();
            await().atMost(LONG).until(() -> !cluster.halts.isEmpty());
            assertThat(cluster.halts).allMatch(halt -> halt.startsWith(slow.self().node()));
            assertThat(log.getFlushIndex()).isBetween(stored, stored + 1);
        }
    }
}
