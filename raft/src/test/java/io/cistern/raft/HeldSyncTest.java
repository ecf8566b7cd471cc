package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;
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

    private static final Duration WHILE = Duration.ofMillis(1000);

    @TempDir Path directory;

    /// @param leaderToo else the two followers
    /// @return false where nothing was shown: another was elected meanwhile, on a busy machine
    private static boolean heldBack(Cluster cluster, boolean leaderToo) throws Exception {
        RaftGroup leader = cluster.leader();
        try {
            cluster.awaitApplied(Cluster.propose(leader, "before").index());
        } catch (ExecutionException e) {
            return false;
        }
        List<RaftGroup> slow = new ArrayList<>(cluster.others(leader));
        if (leaderToo) {
            slow.set(0, leader);
        }
        List<HeldChannel> channels = new ArrayList<>();
        try {
            for (RaftGroup group : slow) {
                channels.add(HeldChannel.of(group));
            }
            CompletableFuture<RaftGroup.Applied> write = leader.propose(Cluster.command("held"));
            boolean held = await(() -> channels.stream().allMatch(c -> c.held.get() > 0));
            Thread.sleep(WHILE);
            assertThat(write.isDone() && !write.isCompletedExceptionally())
                    .as("acknowledged")
                    .isFalse();
            cluster.machines.forEach((node, machine) ->
                    assertThat(machine.applied.getLast()).as(node).isEqualTo("before"));
            return held && leader.leadership().ready();
        } finally {
            channels.forEach(HeldChannel::letGo);
        }
    }

    private static boolean await(BooleanSupplier condition) throws InterruptedException {
        for (int i = 0; i < 500 && !condition.getAsBoolean(); i++) {
            Thread.sleep(10);
        }
        return condition.getAsBoolean();
    }

    private static void shown(Cluster cluster, boolean leaderToo) throws Exception {
        for (int attempt = 0; attempt < 5; attempt++) {
            if (heldBack(cluster, leaderToo)) {
                return;
            }
        }
        fail("a leader did not last for a second");
    }

    @Test
    void nothingIsAcknowledgedThatAMajorityHasNotSynced() throws Exception {
        Cluster cluster = new Cluster(directory);
        cluster.configure = config -> config.withTimings(IMPATIENT);
        try (cluster) {
            cluster.start(3);
            shown(cluster, false);
            shown(cluster, true);
        }
    }
}
