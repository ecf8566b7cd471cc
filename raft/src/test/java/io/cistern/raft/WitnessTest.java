package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Two replicas with data, n1 and n2, and a witness, n3.
class WitnessTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    /// Several elections' worth.
    private static final Duration NEVER = Duration.ofMillis(1500);

    /// Marks what must not reach the witness.
    private static final String SECRET = "only replicas with data hold this";

    @TempDir Path directory;

    private Cluster start() {
        return new Cluster(directory).startWithWitness(2);
    }

    private static RaftGroup other(Cluster cluster, RaftGroup leader) {
        return cluster.replica(leader.self().node().equals("n1") ? "n2" : "n1");
    }

    /// Waits until the other replica with data has all, and the witness is held at it.
    private static void awaitHeld(Cluster cluster, RaftGroup leader) {
        RaftGroup mirror = other(cluster, leader);
        await().atMost(PATIENCE)
                .pollInterval(Duration.ofMillis(10))
                .until(() ->
                        !leader.witnessStandsIn()
                                && matched(leader, mirror) >= leader.appliedIndex()
                                && mirror.appliedIndex() >= leader.appliedIndex());
    }

    private static long matched(RaftGroup leader, RaftGroup follower) {
        RaftGroup.Stats.Follower known = leader.stats().followerIndexes().get(follower.self().id());
        return known == null ? -1 : known.matchIndex();
    }

    private static void never(String what, java.util.function.BooleanSupplier happens) {
        await().during(NEVER)
                .atMost(NEVER.multipliedBy(4))
                .pollInterval(Duration.ofMillis(20))
                .untilAsserted(() -> assertThat(happens.getAsBoolean()).as(what).isFalse());
    }

    private static boolean holds(Path directory, String text) throws IOException {
        try (var files = Files.walk(directory)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String all = new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
                if (all.contains(text)) {
                    return true;
                }
            }
        }
        return false;
    }

    @Test
    void aWitnessVotesAndHoldsNothingOfWhatIsWritten() throws Exception {
        try (Cluster cluster = start()) {
            RaftGroup leader = cluster.leader();
            RaftGroup mirror = other(cluster, leader);
            for (int i = 0; i < 20; i++) {
                Cluster.propose(leader, SECRET + i);
            }
            // Alone with the leader it is sent everything.
            cluster.isolate(mirror);
            RaftGroup.Applied last = Cluster.propose(leader, SECRET);
            RaftGroup witness = cluster.replica("n3");
            witness.awaitApplied(last.index(), PATIENCE).join();
            cluster.heal();
            mirror.awaitApplied(last.index(), PATIENCE).join();
            assertThat(holds(directory.resolve("n1"), SECRET)).isTrue();
            assertThat(holds(directory.resolve("n2"), SECRET)).isTrue();
            assertThat(holds(directory.resolve("n3"), SECRET)).isFalse();
            assertThat(holds(directory.resolve("n3"), "only replicas")).isFalse();
            assertThat(leader.dataMembers())
                    .extracting(Peer::node)
                    .containsExactlyInAnyOrder("n1", "n2");
            assertThat(cluster.halts).isEmpty();
        }
        // So there is nothing to bring up.
        assertThat(SoleMember.possible(directory.resolve("n3"), Cluster.GROUP, "n3.w0")).isFalse();
        assertThat(SoleMember.possible(directory.resolve("n1"), Cluster.GROUP, "n1.0")).isTrue();
        Peer dataless = new Peer("n3.w0", "n3", Cluster.anyPort(), 0);
        assertThatThrownBy(() ->
                        SoleMember.make(
                                directory.resolve("n3"), Cluster.GROUP, dataless, "test", "other"))
                .hasMessageContaining("is a witness");
    }

    @Test
    void aWitnessNeverLeads() throws Exception {
        try (Cluster cluster = start()) {
            RaftGroup leader = cluster.leader();
            RaftGroup witness = cluster.replica("n3");
            assertThatThrownBy(() -> leader.transferLeadership("n3.w0", PATIENCE).join())
                    .satisfies(e ->
                            assertThat(CisternException.of(e).code()).isEqualTo(ErrorCode.INVALID));
            Cluster.propose(leader, "a");
            cluster.host(other(cluster, leader).self().node()).close();
            cluster.host(leader.self().node()).close();
            String vote = vote();
            never("the witness leads", () -> witness.leadership().ready());
            assertThat(vote()).as("it has not called a vote").isEqualTo(vote);
        }
    }

    /// The witness's term and vote, as it has stored them.
    private String vote() throws IOException {
        try (var files = Files.walk(directory.resolve("n3"))) {
            Path meta =
                    files.filter(f -> f.getFileName().toString().equals("raft-meta"))
                            .findFirst()
                            .orElseThrow();
            return Files.readString(meta);
        }
    }

    @Test
    void whatWasAcknowledgedWhileAReplicaWasAwayIsNotForgottenByElectingIt() throws Exception {
        try (Cluster cluster = start()) {
            RaftGroup leader = cluster.leader();
            RaftGroup away = other(cluster, leader);
            away.awaitApplied(Cluster.propose(leader, "both").index(), PATIENCE).join();
            cluster.isolate(away);
            RaftGroup.Applied alone = Cluster.propose(leader, "one disk");
            // Now the only disk that has it is gone as well.
            cluster.isolate(leader);
            cluster.mend(away, cluster.replica("n3"));
            never("a replica without the entry leads", () -> away.leadership().ready());
            assertThat(cluster.machine(away).applied).doesNotContain("one disk");
            // It comes back.
            cluster.heal();
            RaftGroup next = cluster.leader();
            assertThat(next.self()).isEqualTo(leader.self());
            away.awaitApplied(alone.index(), PATIENCE).join();
            assertThat(cluster.machine(away).applied).contains("both", "one disk");
        }
    }

    @Test
    void aReplicaThatHasCaughtUpLeadsWithTheWitnessAlone() throws Exception {
        try (Cluster cluster = start()) {
            RaftGroup leader = cluster.leader();
            RaftGroup away = other(cluster, leader);
            cluster.isolate(away);
            RaftGroup.Applied alone = Cluster.propose(leader, "while away");
            cluster.heal();
            away.awaitApplied(alone.index(), PATIENCE).join();
            awaitHeld(cluster, leader);
            cluster.isolate(leader);
            await().atMost(PATIENCE).until(() -> away.leadership().ready());
            Cluster.propose(away, "the other alone");
            assertThat(cluster.machine(away).applied).contains("while away", "the other alone");
            cluster.heal();
            await().atMost(PATIENCE)
                    .until(() -> cluster.machine(leader).applied.contains("the other alone"));
        }
    }

    @Test
    void whatIsAcknowledgedWhileBothAreThereIsOnBoth() throws Exception {
        try (Cluster cluster = start()) {
            RaftGroup leader = cluster.leader();
            RaftGroup mirror = other(cluster, leader);
            int held = 0;
            for (int i = 0; held < 50; i++) {
                assertThat(i).as("writes for 50 while both were there").isLessThan(10_000);
                awaitHeld(cluster, leader);
                RaftGroup.Applied entry = Cluster.propose(leader, "entry " + i);
                long matched = matched(leader, mirror);
                if (!leader.witnessStandsIn()) {
                    assertThat(matched).isGreaterThanOrEqualTo(entry.index());
                    held++;
                }
            }
            awaitHeld(cluster, leader);
            // Lose the leader: nothing is lacking anywhere.
            List<String> all = List.copyOf(cluster.machine(leader).applied);
            cluster.isolate(leader);
            await().atMost(PATIENCE).until(() -> mirror.leadership().ready());
            assertThat(cluster.machine(mirror).applied).startsWith(all.toArray(String[]::new));
        }
    }

    @Test
    void aWitnessWhoseEntriesArePurgedGoesOnBehindThem() throws Exception {
        Cluster cluster = new Cluster(directory);
        cluster.configure = config -> config.withLog(new RaftLogLimits(64 << 10, 0, 64 << 10));
        try (cluster) {
            RaftGroup leader = cluster.startWithWitness(2).leader();
            RaftGroup mirror = other(cluster, leader);
            RaftGroup witness = cluster.replica("n3");
            Cluster.propose(leader, "before");
            cluster.isolate(witness);
            RaftGroup.Applied unheard = big(leader);
            big(leader);
            cluster.machine(leader).checkpoint = new LogPosition(unheard.term(), unheard.index());
            big(leader);
            await().atMost(PATIENCE).until(() -> leader.stats().purgedIndex() >= unheard.index());
            cluster.heal();
            RaftGroup.Applied after = Cluster.propose(leader, "after");
            witness.awaitApplied(after.index(), PATIENCE).join();
            // It still votes, and knows what it has seen.
            mirror.awaitApplied(after.index(), PATIENCE).join();
            awaitHeld(cluster, leader);
            cluster.isolate(leader);
            await().atMost(PATIENCE).until(() -> mirror.leadership().ready());
        }
    }

    private static RaftGroup.Applied big(RaftGroup leader) throws Exception {
        return leader.propose(ByteBuffer.allocate(70 << 10)).get(20, TimeUnit.SECONDS);
    }

    @Test
    void aWitnessRestartsBehindThePositionThatItNoted() throws Exception {
        try (Cluster cluster = start()) {
            RaftGroup leader = cluster.leader();
            RaftGroup witness = cluster.replica("n3");
            Path file = directory.resolve("n3").resolve("witness").resolve(WitnessState.NAME);
            for (int i = 0; !Files.exists(file); i++) {
                assertThat(i).as("entries before a position was noted").isLessThan(20_000);
                Cluster.propose(leader, "entry " + i);
            }
            witness.close();
            Cluster.propose(leader, "without it");
            RaftGroup again = cluster.openWitness(witness.self());
            again.awaitApplied(Cluster.propose(leader, "last").index(), PATIENCE).join();
            assertThat(cluster.halts).isEmpty();
        }
    }

    @Test
    void witnessesAloneAreNeverAMajority() {
        Peer data = new Peer("n1.0", "n1", Cluster.anyPort(), 0);
        Peer one = new Peer("n2.w1", "n2", Cluster.anyPort(), 0);
        Peer two = new Peer("n3.w1", "n3", Cluster.anyPort(), 0);
        assertThat(one.witness()).isTrue();
        assertThat(data.witness()).isFalse();
        assertThat(new Peer("a.w3.1", "a.w3", Cluster.anyPort(), 0).witness()).isFalse();
        RaftHost.checkVoters(Cluster.GROUP, List.of(data, one));
        for (List<Peer> voters : List.of(List.of(one), List.of(data, one, two))) {
            assertThatThrownBy(() -> RaftHost.checkVoters(Cluster.GROUP, voters))
                    .isInstanceOfSatisfying(
                            CisternException.class,
                            e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID));
        }
    }

    @Test
    void aDamagedPositionIsNotBelieved() throws Exception {
        Path file = directory.resolve(WitnessState.NAME);
        LogPosition position = new LogPosition(3, 70_000);
        byte[] bytes = WitnessState.encode(position);
        assertThat(bytes)
                .startsWith(
                        java.util.HexFormat.of()
                                .parseHex("43535754000100000000000000030000000000011170"));
        Files.write(file, bytes);
        assertThat(open().checkpointed()).isEqualTo(position);
        for (int bit = 0; bit < bytes.length * 8; bit++) {
            byte[] flipped = bytes.clone();
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            Files.write(file, flipped);
            assertThatThrownBy(this::open)
                    .isInstanceOfSatisfying(
                            CisternException.class,
                            e -> assertThat(e.code()).isEqualTo(ErrorCode.CORRUPT));
        }
    }

    private WitnessState open() {
        return WitnessState.open(
                Objects.requireNonNull(directory), Runnable::run, (message, cause) -> {});
    }
}
