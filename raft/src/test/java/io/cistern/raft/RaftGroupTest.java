package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RaftGroupTest {
    @TempDir Path directory;

    @Test
    void everyReplicaAppliesWhatTheLeaderWasGivenInOrder() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 3)) {
            RaftGroup leader = cluster.leader();
            List<CompletableFuture<RaftGroup.Applied>> waiting = new ArrayList<>();
            List<String> sent = new ArrayList<>();
            for (int i = 0; i < 1000; i++) {
                sent.add("c" + i);
                waiting.add(leader.propose(Cluster.command("c" + i)));
            }
            long last = 0;
            for (int i = 0; i < waiting.size(); i++) {
                RaftGroup.Applied applied = waiting.get(i).get(20, TimeUnit.SECONDS);
                assertThat(applied.result()).isEqualTo(i + 1);
                last = applied.index();
            }
            cluster.awaitApplied(last);
            cluster.machines.values().forEach(m -> assertThat(m.applied).isEqualTo(sent));
            assertThat(last).as("entries used for 1000 commands").isLessThan(500);
        }
    }

    @Test
    void aFollowerRefusesAndNamesTheLeader() {
        try (Cluster cluster = Cluster.of(directory, 3)) {
            RaftGroup leader = cluster.leader();
            RaftGroup follower =
                    cluster.replicas.values().stream()
                            .filter(group -> group != leader)
                            .findFirst()
                            .orElseThrow();
            await().until(() -> follower.leadership().leader() != null);
            Throwable failure = follower.propose(Cluster.command("x")).exceptionNow();
            assertThat(CisternException.of(failure).code()).isEqualTo(ErrorCode.NOT_LEADER);
            assertThat(failure).hasMessageContaining(leader.self().node());
        }
    }

    @Test
    void aSingleMemberGroupKeepsItsLogOverARestart() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 1)) {
            RaftGroup first = cluster.leader();
            RaftGroup.Applied applied = Cluster.propose(first, "kept");
            first.close();
            RaftGroup second = cluster.open("n1");
            assertThat(second.lastIndexAtOpen()).isGreaterThanOrEqualTo(applied.index());
            cluster.leader();
            assertThat(cluster.machine(second).applied).containsExactly("kept");
            assertThat(Cluster.propose(second, "more").result()).isEqualTo(2);
        }
    }

    /// Without, it would stand at its checkpoint until a leader spoke to it.
    @Test
    void aReplicaThatRestartsAloneAppliesWhatItKnewToBeCommitted() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 3)) {
            RaftGroup leader = cluster.leader();
            Cluster.propose(leader, "first");
            RaftGroup.Applied known = Cluster.propose(leader, "second");
            RaftGroup.Applied last = Cluster.propose(leader, "third");
            cluster.awaitApplied(last.index());
            RaftGroup one = cluster.others(leader).getFirst();
            List.copyOf(cluster.replicas.values()).forEach(RaftGroup::close);
            RaftGroup again = cluster.open(one.self().node());
            again.awaitApplied(known.index(), Duration.ofSeconds(20)).join();
            assertThat(cluster.machine(again).applied).startsWith("first", "second");
        }
    }

    /// Ratis alone waits for it while it holds the lock that it may be waiting for.
    @Test
    void theEvictionOfTheLogsCacheEndsBeforeTheLogIsClosed() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 1)) {
            RatisGroup group = (RatisGroup) cluster.leader();
            Cluster.propose(group, "x");
            Thread eviction =
                    Thread.getAllStackTraces().keySet().stream()
                            .filter(t -> t.getName().endsWith("cacheEviction-AwaitToRun"))
                            .filter(t -> t.getName().startsWith(group.self().id()))
                            .findFirst()
                            .orElseThrow();
            assertThat(eviction.isAlive()).isTrue();
            group.stopEviction();
            assertThat(eviction.isAlive()).isFalse();
            Cluster.propose(group, "y");
        }
    }

    /// Ratis alone waits until the log's thread has looked again: a second after the last write.
    @Test
    void closingWakesTheThreadOfTheLog() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 1)) {
            long shortest = Long.MAX_VALUE;
            for (int i = 0; i < 4; i++) {
                RaftGroup group = cluster.leader();
                Cluster.propose(group, "c" + i);
                long begun = System.nanoTime();
                group.close();
                shortest = Math.min(shortest, System.nanoTime() - begun);
                cluster.open("n1");
            }
            assertThat(Duration.ofNanos(shortest)).isLessThan(Duration.ofMillis(600));
        }
    }

    /// At Ratis' default each request is remembered for a minute.
    @Test
    void whatRatisRemembersOfRequestsIsBounded() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 1)) {
            RaftGroup leader = cluster.leader();
            for (int i = 0; i < 300; i++) {
                Cluster.propose(leader, "c" + i);
            }
            await().atMost(Duration.ofSeconds(30))
                    .until(() -> {
                        // Only a new request makes it drop what is too old.
                        Cluster.propose(leader, "tick");
                        return ((RatisGroup) leader).retryCacheSize() < 100;
                    });
        }
    }

    @Test
    void leadershipMovesOnRequest() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 3)) {
            RaftGroup leader = cluster.leader();
            RaftGroup next =
                    cluster.replicas.values().stream()
                            .filter(group -> group != leader)
                            .findFirst()
                            .orElseThrow();
            leader.transferLeadership(next.self().id(), Duration.ofSeconds(10))
                    .get(20, TimeUnit.SECONDS);
            await().atMost(Duration.ofSeconds(10)).until(() -> next.leadership().ready());
            assertThat(Cluster.propose(next, "x").term()).isEqualTo(next.leadership().term());
        }
    }
}
