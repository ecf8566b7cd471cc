package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A leader that was cut off, and does not know it, must not answer reads from its state.
///
/// Ratis' own linearizable reads answer here: it skips the heartbeat that would find out once a
/// read index was acknowledged, and its lease ignores that a real vote does not ask whether a
/// leader is alive. With [LeadershipTracker#leaseValid] reduced to "is ready", which is all that
/// Ratis checks for a plain read, the test fails.
class StaleLeaderTest {
    @TempDir Path directory;

    @Test
    void aLeaderThatIsCutOffHasNoLeaseOnceAnotherMayHaveCommitted() throws Exception {
        // n1 steps down only after a minute without its followers: until then it believes to lead.
        Cluster cluster = new Cluster(directory);
        cluster.configure =
                config ->
                        config.node().equals("n1")
                                ? config.withTimings(
                                        new RaftTimings(
                                                Cluster.FAST.electionMin(),
                                                Duration.ofMinutes(1),
                                                Cluster.FAST.lease(),
                                                Duration.ofSeconds(3)))
                                : config;
        try (cluster) {
            RaftGroup first = cluster.start(3).leader();
            if (!first.self().id().equals("n1.0")) {
                first.transferLeadership("n1.0", Duration.ofSeconds(10)).get(20, TimeUnit.SECONDS);
            }
            RaftGroup old = cluster.replica("n1");
            await().atMost(Duration.ofSeconds(20)).until(() -> old.leadership().ready());
            Cluster.propose(old, "before");
            old.awaitLease().get(10, TimeUnit.SECONDS);

            cluster.isolate(old);
            RaftGroup next =
                    await().atMost(Duration.ofSeconds(20))
                            .until(
                                    () ->
                                            cluster.others(old).stream()
                                                    .filter(g -> g.leadership().ready())
                                                    .findFirst()
                                                    .orElse(null),
                                    found -> found != null);
            Cluster.propose(next, "after");

            assertThat(old.leadership().ready()).as("the old leader believes to lead").isTrue();
            assertThat(old.leadership().term()).isLessThan(next.leadership().term());
            assertThat(cluster.machine(old).applied)
                    .as("its state is stale")
                    .doesNotContain("after");
            assertThat(old.leaseValid()).isFalse();
            CompletableFuture<Void> lease = old.awaitLease();
            CompletableFuture<RaftGroup.Applied> write = old.propose(Cluster.command("lost"));
            assertThat(next.awaitLease()).succeedsWithin(Duration.ofSeconds(10));
            assertThat(lease).as("waits for a majority it cannot reach").isNotDone();

            cluster.heal();
            assertThat(lease).failsWithin(Duration.ofSeconds(20));
            assertThat(write).failsWithin(Duration.ofSeconds(20));
            await().atMost(Duration.ofSeconds(20))
                    .until(() -> cluster.machine(old).applied.contains("after"));
            assertThat(cluster.machine(old).applied).containsExactly("before", "after");
        } finally {
            cluster.heal();
        }
    }
}
