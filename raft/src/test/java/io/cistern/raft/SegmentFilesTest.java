package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.apache.ratis.proto.RaftProtos.LogEntryProto;
import org.apache.ratis.proto.RaftProtos.StateMachineLogEntryProto;
import org.apache.ratis.server.raftlog.segmented.SegmentedRaftLogOutputStream;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Files of the log that are made before and deleted after, and the channel that writes them: ADR
/// 74.
class SegmentFilesTest {
    private static final int SEGMENT = 1 << 20;
    private static final int PREALLOCATED = 64 << 10;

    @TempDir Path directory;

    private final Deque<Runnable> background = new ArrayDeque<>();

    private SegmentFiles open() throws IOException {
        Files.createDirectories(current());
        return SegmentFiles.open(current(), directory, SEGMENT, background::add);
    }

    private Path current() {
        return directory.resolve("current");
    }

    private Path spares() {
        return directory.resolve(SegmentFiles.DIRECTORY);
    }

    private void runBackground() {
        for (Runnable task = background.poll(); task != null; task = background.poll()) {
            task.run();
        }
    }

    private SegmentedRaftLogOutputStream segment(long first, boolean append) throws IOException {
        return new SegmentedRaftLogOutputStream(
                current().resolve("log_inprogress_" + first).toFile(),
                append,
                SEGMENT,
                PREALLOCATED,
                ByteBuffer.allocateDirect(SEGMENT));
    }

    private static LogEntryProto entry(long index, int bytes) {
        return LogEntryProto.newBuilder()
                .setTerm(1)
                .setIndex(index)
                .setStateMachineLogEntry(
                        StateMachineLogEntryProto.newBuilder()
                                .setLogData(ByteString.copyFrom(new byte[bytes])))
                .build();
    }

    @Test
    void theLogUsesOurs() throws ClassNotFoundException {
        Class<?> channel =
                Class.forName("org.apache.ratis.server.raftlog.segmented.BufferedWriteChannel");
        assertThat(channel.getProtectionDomain().getCodeSource())
                .isEqualTo(RaftHost.class.getProtectionDomain().getCodeSource());
    }

    @Test
    void aSpareIsAFileOfZeroesForOneSegment() throws IOException {
        try (SegmentFiles files = open()) {
            Path segment = current().resolve("log_inprogress_0");
            assertThat(files.take(segment)).as("none was made").isFalse();
            files.prepare();
            files.prepare();
            assertThat(background).hasSize(1);
            runBackground();
            assertThat(files.take(segment)).isTrue();
            assertThat(segment).hasBinaryContent(new byte[SEGMENT]);
            assertThat(files.take(current().resolve("log_inprogress_9"))).isFalse();
        }
    }

    @Test
    void whatIsWrittenIntoASpareIsALog() throws Exception {
        try (SegmentFiles files = open()) {
            files.prepare();
            runBackground();
            Path path = current().resolve("log_inprogress_0");
            try (SegmentedRaftLogOutputStream out = segment(0, false)) {
                for (int i = 0; i < 5; i++) {
                    out.write(entry(i, 5000));
                    out.flush();
                    assertThat(path).hasSize(SEGMENT);
                }
                // As after a loss of power here.
                assertThat(LogInspector.inspectWhole(current()).lastIndex()).isEqualTo(4);
            }
            assertThat(Files.size(path)).isBetween(25_000L, 26_000L);
            assertThat(LogInspector.inspectWhole(current()))
                    .isEqualTo(new LogInspector.Result(0, 4, 1, 0));
        }
    }

    @Test
    void aWriteIntoASpareThatWasCutOffIsCutAway() throws Exception {
        try (SegmentFiles files = open()) {
            files.prepare();
            runBackground();
            Path path = current().resolve("log_inprogress_0");
            SegmentedRaftLogOutputStream out = segment(0, false);
            out.write(entry(0, 5000));
            out.flush();
            out.write(entry(1, 5000));
            out.flush();
            byte[] torn = Files.readAllBytes(path);
            out.close();
            // The second page of the last entry did not reach the disk.
            java.util.Arrays.fill(torn, 8192, 12288, (byte) 0);
            Files.write(path, torn);
            LogInspector.Result found = LogInspector.inspectWhole(current());
            assertThat(found.lastIndex()).isZero();
            assertThat(found.cutBytes()).isPositive();
        }
    }

    @Test
    void withoutASpareLittleWritesAreFilledAheadAndGreatOnesAreNot() throws Exception {
        try (SegmentFiles files = open()) {
            Path path = current().resolve("log_inprogress_0");
            try (SegmentedRaftLogOutputStream out = segment(0, false)) {
                assertThat(path).hasSize(PREALLOCATED);
                out.write(entry(0, 300_000));
                out.flush();
                long great = Files.size(path);
                assertThat(great).isBetween(300_000L, 300_100L);
                out.write(entry(1, 100));
                out.flush();
                assertThat(path).hasSize(great + PREALLOCATED);
                // A little one behind a great one in the buffer.
                out.write(entry(2, 300_000));
                out.write(entry(3, 100));
                out.flush();
                assertThat(LogInspector.inspectWhole(current()).lastIndex()).isEqualTo(3);
            }
            try (SegmentedRaftLogOutputStream out = segment(0, true)) {
                out.write(entry(4, 100));
                out.flush();
                assertThat(LogInspector.inspectWhole(current()))
                        .isEqualTo(new LogInspector.Result(0, 4, 1, 0));
            }
            assertThat(background).as("filled at once: a spare would be too late").isEmpty();
        }
    }

    @Test
    void aSecondNameKeepsTheBlocksUntilTheyAreDisposedOf() throws IOException {
        Path segment = current().resolve("log_0-9");
        try (SegmentFiles files = open()) {
            Files.write(segment, new byte[] {1, 2, 3});
            files.keep(segment);
            files.keep(segment);
            Files.delete(segment);
            assertThat(spares().resolve("log_0-9")).hasBinaryContent(new byte[] {1, 2, 3});
            files.dispose();
            runBackground();
            assertThat(spares()).isEmptyDirectory();
        }
    }

    @Test
    void whatAReplicaLeftIsDeletedWhenItOpens() throws IOException {
        Path segment = current().resolve("log_0-9");
        try (SegmentFiles files = open()) {
            Files.write(segment, new byte[] {1, 2, 3});
            files.keep(segment);
            files.prepare();
            runBackground();
        }
        try (SegmentFiles again = open()) {
            assertThat(spares()).doesNotExist();
            assertThat(segment).hasBinaryContent(new byte[] {1, 2, 3});
            assertThat(again.take(current().resolve("log_inprogress_10"))).isFalse();
        }
    }

    @Test
    void aGroupWritesItsLogIntoSparesAndReadsItAgain() throws Exception {
        Cluster cluster = new Cluster(directory.resolve("cluster"));
        cluster.configure =
                config -> config.withLog(new RaftLogLimits(SEGMENT / 4, PREALLOCATED, SEGMENT));
        try (cluster) {
            RaftGroup group = cluster.start(1).leader();
            Path replica =
                    RaftHost.directory(directory.resolve("cluster/n1"), Cluster.GROUP, "n1.0");
            Path log = replica.resolve(RatisPeers.groupId(Cluster.GROUP).getUuid() + "/current");
            Path spare = replica.resolve(SegmentFiles.DIRECTORY).resolve("zeroes");
            String text = "x".repeat(4000);
            // At the pace of the polls: a faster log goes without.
            await().atMost(Duration.ofSeconds(20))
                    .pollInterval(Duration.ofMillis(5))
                    .until(() -> {
                        Cluster.propose(group, text);
                        return Files.exists(spare);
                    });
            await().atMost(Duration.ofSeconds(20))
                    .pollInterval(Duration.ofMillis(1))
                    .until(() -> {
                        Cluster.propose(group, text);
                        List<LogInspector.Segment> segments = LogInspector.segments(log);
                        LogInspector.Segment last = segments.getLast();
                        return last.start() > 0
                                && last.open()
                                && Files.size(last.path()) == SEGMENT / 4;
                    });
            int applied = cluster.machine(group).applied.size();
            group.close();
            RaftGroup again = cluster.open("n1");
            assertThat(cluster.leader()).isSameAs(again);
            assertThat(Cluster.propose(again, "more").result()).isEqualTo(applied + 1);
        }
    }
}
