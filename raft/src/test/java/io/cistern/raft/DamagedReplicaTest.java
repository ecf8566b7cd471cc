package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a replica's files look like after a power cut, or after damage, and what opening it does.
///
/// Without the inspection Ratis does not start on the torn tail ("Log entry corrupted"), and starts
/// as if nothing were wrong on a changed vote or on files that are gone.
class DamagedReplicaTest {
    @TempDir Path directory;

    /// Of the cluster in use.
    private Path home = Path.of("");

    @BeforeEach
    void home() {
        home = directory;
    }

    private Path replica(String node) {
        return home.resolve(node).resolve("raft").resolve("g1").resolve(node + ".0");
    }

    private Path find(String node, String prefix) throws Exception {
        try (Stream<Path> files = Files.walk(replica(node))) {
            return files.filter(p -> String.valueOf(p.getFileName()).startsWith(prefix))
                    .findFirst()
                    .orElseThrow();
        }
    }

    private static void refused(Cluster cluster, String node, String saying) {
        assertThatThrownBy(() -> cluster.open(node))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.CORRUPT))
                .hasCauseInstanceOf(LogDamagedException.class)
                .hasMessageContaining(saying);
    }

    @Test
    void aTornTailIsCutOffAndTheGroupStartsByItself() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 1)) {
            RaftGroup first = cluster.leader();
            Cluster.propose(first, "kept");
            long last = first.appliedIndex();
            first.close();
            Path log = find("n1", "log_inprogress");
            long size = Files.size(log);
            try (RandomAccessFile file = new RandomAccessFile(log.toFile(), "rw")) {
                // The beginning of an entry of 3000 bytes, then the fill that was there before.
                file.seek(size);
                file.write(new byte[] {(byte) 0xb8, 0x17, 8, 1, 16, 9, 26, 33, 77});
                file.setLength(size + 8192);
            }
            RaftGroup second = cluster.open("n1");
            assertThat(second.lastIndexAtOpen()).isEqualTo(last);
            cluster.leader();
            assertThat(cluster.machine(second).applied).containsExactly("kept");
            assertThat(Cluster.propose(second, "more").result()).isEqualTo(2);
        }
    }

    @Test
    void aFlippedBitInTheLogOfALoneReplicaIsRefusedAndNothingIsLost() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 1)) {
            RaftGroup first = cluster.leader();
            Cluster.propose(first, "kept");
            first.close();
            Path log = find("n1", "log_inprogress");
            byte[] bytes = Files.readAllBytes(log);
            int at = new String(bytes, StandardCharsets.ISO_8859_1).indexOf("kept");
            bytes[at] ^= 1;
            Files.write(log, bytes);
            refused(cluster, "n1", "no other member");
            bytes[at] ^= 1;
            Files.write(log, bytes);
            cluster.open("n1");
            assertThat(Cluster.propose(cluster.leader(), "more").result()).isEqualTo(2);
        }
    }

    @Test
    void aDamagedReplicaIsSetAsideWhileTheOthersGoOn() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 3)) {
            RaftGroup leader = cluster.leader();
            long index = Cluster.propose(leader, "kept").index();
            cluster.awaitApplied(index);
            RaftGroup victim = cluster.others(leader).getFirst();
            String node = victim.self().node();
            victim.close();
            cluster.replicas.remove(node);
            Path log = find(node, "log_");
            byte[] bytes = Files.readAllBytes(log);
            bytes[20] ^= 64;
            Files.write(log, bytes);
            refused(cluster, node, "under a new peer id");
            Path aside = cluster.host(node).quarantine(Cluster.GROUP, node + ".0");
            assertThat(aside.getFileName()).hasToString(node + ".0.quarantine-1");
            assertThat(aside).isDirectory();
            assertThat(replica(node)).doesNotExist();
            assertThat(Cluster.propose(cluster.leader(), "more").result()).isEqualTo(2);
        }
    }

    private interface Damage {
        void to(Path log) throws Exception;
    }

    /// Some commands, a follower that is closed, and what is done to its open segment then.
    private String damagedFollower(Cluster cluster, Damage damage) throws Exception {
        RaftGroup leader = cluster.leader();
        long index = 0;
        for (int i = 0; i < 5; i++) {
            index = Cluster.propose(leader, "kept" + i).index();
        }
        cluster.awaitApplied(index);
        RaftGroup victim = cluster.others(leader).getFirst();
        String node = victim.self().node();
        victim.close();
        cluster.replicas.remove(node);
        Cluster.propose(leader, "meanwhile");
        damage.to(find(node, "log_inprogress"));
        return node;
    }

    private static void zero(Path log, long from, long length) throws Exception {
        try (RandomAccessFile file = new RandomAccessFile(log.toFile(), "rw")) {
            file.seek(from);
            file.write(new byte[(int) Math.min(length, file.length() - from)]);
        }
    }

    private static void zeroFirstPage(Path log) throws Exception {
        zero(log, 0, 4096);
    }

    /// Leaves a log that ends cleanly, two entries early.
    private static void zeroLastEntries(Path log) throws Exception {
        byte[] bytes = Files.readAllBytes(log);
        List<Integer> starts = new ArrayList<>();
        int at = 8;
        for (LogFrame f = LogFrame.read(bytes, at); f != null; f = LogFrame.read(bytes, at)) {
            starts.add(at);
            at = f.end();
        }
        zero(log, starts.get(starts.size() - 2), bytes.length);
    }

    private interface Check {
        void of(Cluster cluster, String damaged) throws Exception;
    }

    private void eachDamage(Check check) throws Exception {
        for (Damage damage :
                List.<Damage>of(
                        DamagedReplicaTest::zeroFirstPage, DamagedReplicaTest::zeroLastEntries)) {
            home = Files.createTempDirectory(directory, "case");
            try (Cluster cluster = Cluster.of(home, 3)) {
                check.of(cluster, damagedFollower(cluster, damage));
            }
        }
    }

    @Test
    void aLogThatEndsBeforeWhatWasCommittedInItIsDamaged() throws Exception {
        eachDamage((cluster, node) -> {
            refused(cluster, node, "its end is lost");
            // Nothing was changed, and it stays refused.
            refused(cluster, node, "its end is lost");
        });
    }

    /// As when the process was killed before it noted what was committed.
    @Test
    void whatAFollowerLostUnnoticedIsSentToItAgain() throws Exception {
        eachDamage((cluster, node) -> {
            Files.delete(replica(node).resolve(CommittedFile.NAME));
            RaftGroup again = cluster.open(node);
            cluster.awaitApplied(Cluster.propose(cluster.leader(), "more").index());
            assertThat(cluster.machine(again).applied)
                    .containsExactly(
                            "kept0", "kept1", "kept2", "kept3", "kept4", "meanwhile", "more");
            // It counts again: with one more away, these two are the majority.
            RaftGroup third =
                    cluster.others(cluster.leader()).stream()
                            .filter(group -> group != again)
                            .findFirst()
                            .orElseThrow();
            third.close();
            cluster.replicas.remove(third.self().node());
            assertThat(Cluster.propose(cluster.leader(), "last").result()).isEqualTo(8);
        });
    }

    @Test
    void tornTailsOnAllReplicasAreCutOffAndTheGroupStartsByItself() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 3)) {
            cluster.awaitApplied(Cluster.propose(cluster.leader(), "kept").index());
            for (String node : List.copyOf(cluster.hosts.keySet())) {
                cluster.replica(node).close();
                Path log = find(node, "log_inprogress");
                long size = Files.size(log);
                try (RandomAccessFile file = new RandomAccessFile(log.toFile(), "rw")) {
                    file.seek(size);
                    file.write(new byte[] {(byte) 0xb8, 0x17, 8, 1, 16, 9, 26, 33, 77});
                    file.setLength(size + 8192);
                }
            }
            cluster.replicas.clear();
            for (String node : List.copyOf(cluster.hosts.keySet())) {
                cluster.open(node);
            }
            assertThat(Cluster.propose(cluster.leader(), "more").result()).isEqualTo(2);
        }
    }

    @Test
    void theNoteOfWhatWasCommittedSaysNothingWhenItIsDamaged() {
        byte[] bytes = CommittedFile.encode(12345);
        assertThat(CommittedFile.decode(bytes)).isEqualTo(12345);
        for (int bit = 0; bit < bytes.length * 8; bit++) {
            byte[] bad = bytes.clone();
            bad[bit / 8] ^= (byte) (1 << bit % 8);
            assertThat(CommittedFile.decode(bad)).isEqualTo(-1);
        }
        assertThat(CommittedFile.decode(new byte[0])).isEqualTo(-1);
    }

    @Test
    void termVoteAndFilesAreGuarded() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 2)) {
            RaftGroup first = cluster.leader();
            if (!first.self().node().equals("n1")) {
                first.transferLeadership("n1.0", Duration.ofSeconds(10)).get(20, TimeUnit.SECONDS);
                first = cluster.replica("n1");
            }
            cluster.awaitApplied(Cluster.propose(cluster.leader(), "kept").index());
            first.close();
            Path meta = find("n1", "raft-meta.conf").resolveSibling("raft-meta");
            String text = Files.readString(meta);
            assertThat(text).containsPattern("term=\\d+").contains("votedFor=n1.0");
            for (String bad :
                    new String[] {
                        text.replaceAll("term=\\d+", "term=0"),
                        text.replaceAll("term=\\d+", "term=q"),
                        text.replace("votedFor=n1.0", "votedFor=n9.0"),
                        ""
                    }) {
                Files.writeString(meta, bad);
                refused(cluster, "n1", "raft-meta");
            }
            Files.delete(meta);
            refused(cluster, "n1", "is missing");
            Files.writeString(meta, text);
            Path own = replica("n1").resolve(ReplicaFile.NAME);
            byte[] ownBytes = Files.readAllBytes(own);
            Files.delete(own);
            refused(cluster, "n1", "is missing beside a log");
            Files.write(own, ownBytes);
            // Ratis would fall back to the initial members: here they come from the copy.
            Files.writeString(find("n1", "raft-meta.conf"), "not a configuration");
            cluster.open("n1");
            assertThat(Cluster.propose(cluster.leader(), "more").result()).isEqualTo(2);
        }
    }

    @Test
    void aLogThatVanishedFromBesideItsStateIsRefused() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 1)) {
            RaftGroup first = cluster.leader();
            long index = Cluster.propose(first, "kept").index();
            first.close();
            io.cistern.block.FileTrees.delete(replica("n1"));
            cluster.newMachine =
                    () -> {
                        KeepingStateMachine machine = new KeepingStateMachine();
                        machine.checkpoint = new LogPosition(1, index);
                        return machine;
                    };
            refused(cluster, "n1", "is missing, and with it term and vote");
        }
    }

    /// A directory in place of a file stands for a sector that cannot be read: both fail with an
    /// IOException that nothing around explains.
    @Test
    void aLogFileThatCannotBeReadIsDamage() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 1)) {
            cluster.leader().close();
            Path log = find("n1", "log_");
            Files.delete(log);
            Files.createDirectory(log);
            refused(cluster, "n1", "cannot be used");
        }
    }

    @Test
    void anotherClustersReplicaIsRefused() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 1)) {
            cluster.leader().close();
            cluster.configure = config -> config.withClusterId("another");
            cluster.startHost("n1");
            assertThatThrownBy(() -> cluster.open("n1")).hasMessageContaining("of cluster test");
        }
    }
}
