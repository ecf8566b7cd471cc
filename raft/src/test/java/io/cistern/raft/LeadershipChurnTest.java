package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Leaders come and go, by transfer and by cut links, under load.
class LeadershipChurnTest {
    private static final Duration LONG = Duration.ofSeconds(60);

    @TempDir Path directory;

    /// Every proposal ends; what was acknowledged is applied once everywhere; what was refused as
    /// NOT_LEADER is nowhere; what is unknown is there once or not at all.
    @Test
    void everyProposalEndsAndItsOutcomeIsTrue() throws Exception {
        long seed = System.nanoTime();
        System.out.println("LeadershipChurnTest seed " + seed);
        Random random = new Random(seed);
        try (Cluster cluster = Cluster.of(directory, 3)) {
            Map<String, CompletableFuture<RaftGroup.Applied>> all = new TreeMap<>();
            int next = 0;
            for (int round = 0; round < 6; round++) {
                RaftGroup leader = cluster.leader();
                next = load(cluster, all, next);
                if (random.nextBoolean()) {
                    RaftGroup target = cluster.others(leader).get(random.nextInt(2));
                    CompletableFuture<Void> moved =
                            leader.transferLeadership(target.self().id(), Duration.ofSeconds(5));
                    next = load(cluster, all, next);
                    // It may fail where an election came in between; it must end.
                    moved.handle((nothing, failure) -> failure)
                            .orTimeout(60, java.util.concurrent.TimeUnit.SECONDS)
                            .join();
                } else {
                    cluster.isolate(leader);
                    next = load(cluster, all, next);
                    waitForAnother(cluster, leader);
                    next = load(cluster, all, next);
                    cluster.heal();
                }
            }
            List<CompletableFuture<RaftGroup.Applied>> ended = new ArrayList<>(all.values());
            assertThat(
                            CompletableFuture.allOf(ended.toArray(CompletableFuture[]::new))
                                    .handle((nothing, failure) -> true))
                    .succeedsWithin(LONG);
            check(cluster, all);
        }
    }

    /// Proposes on every replica: leaders, those that think so, and others.
    private static int load(
            Cluster cluster, Map<String, CompletableFuture<RaftGroup.Applied>> all, int from) {
        int next = from;
        for (int i = 0; i < 100; i++) {
            for (RaftGroup group : cluster.replicas.values()) {
                String command = "c" + next++;
                all.put(command, group.propose(Cluster.command(command)));
            }
        }
        return next;
    }

    private static void waitForAnother(Cluster cluster, RaftGroup old) {
        org.awaitility.Awaitility.await()
                .atMost(LONG)
                .until(() ->
                        cluster.others(old).stream().anyMatch(group -> group.leadership().ready()));
    }

    private static void check(
            Cluster cluster, Map<String, CompletableFuture<RaftGroup.Applied>> all)
            throws Exception {
        long index = proposeSomehow(cluster).index();
        cluster.awaitApplied(index);
        int acknowledged = 0;
        Set<ErrorCode> failures = new HashSet<>();
        for (KeepingStateMachine machine : cluster.machines.values()) {
            Set<String> applied = new HashSet<>(machine.applied);
            assertThat(applied).as("applied once").hasSameSizeAs(machine.applied);
            for (var one : all.entrySet()) {
                if (!one.getValue().isCompletedExceptionally()) {
                    assertThat(applied).contains(one.getKey());
                    acknowledged++;
                    continue;
                }
                ErrorCode code = CisternException.of(one.getValue().exceptionNow()).code();
                failures.add(code);
                assertThat(code).isIn(ErrorCode.NOT_LEADER, ErrorCode.UNAVAILABLE);
                if (code == ErrorCode.NOT_LEADER) {
                    assertThat(applied).doesNotContain(one.getKey());
                }
            }
        }
        assertThat(acknowledged).isPositive();
        assertThat(failures).contains(ErrorCode.NOT_LEADER);
    }

    private static RaftGroup.Applied proposeSomehow(Cluster cluster) throws Exception {
        long deadline = System.nanoTime() + LONG.toNanos();
        while (true) {
            try {
                return cluster.leader().propose(Cluster.command("end")).join();
            } catch (CompletionException e) {
                if (System.nanoTime() > deadline) {
                    throw e;
                }
            }
        }
    }
}
