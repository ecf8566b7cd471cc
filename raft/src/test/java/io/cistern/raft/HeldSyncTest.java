package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Nothing is acknowledged while a majority's fsync of the log is held back.
///
/// In a test that cuts the power a sync that is late by milliseconds is seldom missed; here it does
/// not come at all.
@Timeout(60)
class HeldSyncTest {
    /// Messages time out several times while nothing may be acknowledged.
    private static final RaftTimings IMPATIENT =
            new RaftTimings(
                    Duration.ofMillis(400),
                    Duration.ofMillis(600),
                    Duration.ofMillis(100),
                    Duration.ofMillis(400));

    private static final Duration WHILE = Duration.ofMillis(1500);

    @TempDir Path directory;

    private void heldBack(boolean leaderToo) throws Exception {
        Cluster cluster = new Cluster(directory);
        cluster.configure = config -> config.withTimings(IMPATIENT);
        List<HeldChannel> channels = new ArrayList<>();
        try (cluster) {
            RaftGroup leader = cluster.start(3).leader();
            cluster.awaitApplied(Cluster.propose(leader, "before").index());
            List<RaftGroup> slow = new ArrayList<>(cluster.others(leader));
            if (leaderToo) {
                slow.set(0, leader);
            }
            for (RaftGroup group : slow) {
                channels.add(HeldChannel.of(group));
            }
            CompletableFuture<RaftGroup.Applied> write = leader.propose(Cluster.command("held"));
            for (HeldChannel channel : channels) {
                await().until(() -> channel.held.get() > 0);
            }
            Thread.sleep(WHILE);
            assertThat(write.isDone()).as("acknowledged, or given up").isFalse();
            cluster.machines.forEach((node, machine) ->
                    assertThat(machine.applied).as(node).containsExactly("before"));
            channels.forEach(HeldChannel::letGo);
            write.get(20, TimeUnit.SECONDS);
        } finally {
            channels.forEach(HeldChannel::letGo);
        }
    }

    @Test
    void byBothFollowers() throws Exception {
        heldBack(false);
    }

    @Test
    void byTheLeaderAndAFollower() throws Exception {
        heldBack(true);
    }
}
