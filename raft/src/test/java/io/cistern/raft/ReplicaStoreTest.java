package io.cistern.raft;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.DurableFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.apache.ratis.proto.RaftProtos.LogEntryProto;
import org.apache.ratis.proto.RaftProtos.RaftConfigurationProto;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Old copies of a replica's files, put back beside new ones.
class ReplicaStoreTest {
    private static final GroupId GROUP = new GroupId(1);
    private static final ReplicaFile FRESH = ReplicaFile.fresh("test", GROUP, "n1.0");

    @TempDir Path directory;
    private Path current = Path.of("unset");

    @BeforeEach
    void aReplicaThatHasTakenPart() throws IOException {
        current =
                directory
                        .resolve(RatisPeers.groupId(GROUP).getUuid().toString())
                        .resolve("current");
        Files.createDirectories(current);
        FRESH.withOpened().withVote(2, "n2.0").withMembers(members(3)).write(directory);
        Files.writeString(current.resolve("raft-meta"), "term=2\nvotedFor=n2.0\n");
        Files.write(current.resolve("raft-meta.conf"), members(3));
        log(10, 2);
    }

    private static byte[] members(long index) {
        return LogEntryProto.newBuilder()
                .setTerm(1)
                .setIndex(index)
                .setConfigurationEntry(RaftConfigurationProto.getDefaultInstance())
                .build()
                .toByteArray();
    }

    /// An open segment with one entry.
    private void log(long index, long term) throws IOException {
        byte[] header = "RaftLog1".getBytes(US_ASCII);
        byte[] frame = LogInspectorTest.frame(term, index, new byte[10]);
        byte[] file = java.util.Arrays.copyOf(header, header.length + frame.length);
        System.arraycopy(frame, 0, file, header.length, frame.length);
        Files.write(current.resolve("log_inprogress_" + index), file);
    }

    private ReplicaStore open() throws IOException, LogDamagedException {
        return ReplicaStore.open(directory, FRESH, new LogPosition(2, 9));
    }

    private void refused(String saying) {
        assertThatThrownBy(this::open)
                .isInstanceOf(LogDamagedException.class)
                .hasMessageContaining(saying);
    }

    @Test
    void aReplicaThatIsAsItWasIsOpened() throws Exception {
        assertThat(open().lastIndexAtOpen()).isEqualTo(10);
    }

    @Test
    void theFileOfATimeBeforeItTookPartDoesNotMakeItStartAnew() throws Exception {
        FRESH.write(directory);
        refused("an old copy");
        assertThat(current.resolve("log_inprogress_10")).exists();
        Files.delete(current.resolve("log_inprogress_10"));
        refused("an old copy");
        Files.writeString(current.resolve("raft-meta"), "term=0\nvotedFor=\n");
        open();
    }

    @Test
    void anOldMembershipIsNotTakenWhereTheLogNoLongerHasTheNewOne() throws Exception {
        Files.write(current.resolve("raft-meta.conf"), members(7));
        refused("as of entry 3");
        // It is applied again, from the log.
        Files.write(current.resolve("raft-meta.conf"), members(10));
        open();
        assertThat(Files.readAllBytes(current.resolve("raft-meta.conf"))).isEqualTo(members(3));
    }

    @Test
    void thereIsNoVoteToGiveInATermThatOnlyTheLogKnows() throws Exception {
        log(10, 4);
        open();
        assertThat(Files.readString(current.resolve("raft-meta")))
                .contains("term=4")
                .contains("votedFor=n1.0");
        assertThat(ReplicaFile.read(directory))
                .isEqualTo(FRESH.withOpened().withVote(4, "n1.0").withMembers(members(3)));
        open();
    }

    @Test
    void aTermThatCouldNotBeStoredIsNotSpokenOf() throws Exception {
        ReplicaStore store = open();
        store.voted(2);
        assertThatThrownBy(() -> store.voted(3, Duration.ofMillis(20)))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("could not be stored");
    }

    /// Ratis' candidates are in a term before they have stored it.
    @Test
    void whatIsSaidInATermWaitsUntilItIsStored() throws Exception {
        ReplicaStore store = open();
        FutureTask<Void> vote =
                new FutureTask<>(() -> {
                    store.voted(3);
                    return null;
                });
        Thread voter = Thread.ofPlatform().start(vote);
        while (voter.getState() != Thread.State.TIMED_WAITING && voter.isAlive()) {
            Thread.onSpinWait();
        }
        assertThat(vote.isDone()).isFalse();
        Path meta = current.resolve("raft-meta");
        DurableFiles.replace(
                meta, Files.readString(meta).replaceAll("term=.*", "term=3").getBytes(UTF_8));
        vote.get(30, TimeUnit.SECONDS);
        assertThat(ReplicaFile.read(directory))
                .isEqualTo(FRESH.withOpened().withVote(3, "n2.0").withMembers(members(3)));
    }
}
