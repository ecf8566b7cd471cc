package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import org.apache.ratis.proto.RaftProtos.LogEntryProto;
import org.apache.ratis.proto.RaftProtos.StateMachineLogEntryProto;
import org.apache.ratis.server.raftlog.segmented.SegmentedRaftLogOutputStream;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// How the log's files grow, and how they go: ADR 74.
class LogFilesTest {
    private static final int SEGMENT = 1 << 20;
    private static final int PREALLOCATED = 64 << 10;

    @TempDir Path directory;

    private SegmentedRaftLogOutputStream segment(long first, boolean append) throws IOException {
        return new SegmentedRaftLogOutputStream(
                directory.resolve("log_inprogress_" + first).toFile(),
                append,
                SEGMENT,
                PREALLOCATED,
                ByteBuffer.allocateDirect(SEGMENT));
    }

    private static LogEntryProto entry(long index, int bytes) {
        byte[] data = new byte[bytes];
        java.util.Arrays.fill(data, (byte) 'x');
        return LogEntryProto.newBuilder()
                .setTerm(1)
                .setIndex(index)
                .setStateMachineLogEntry(
                        StateMachineLogEntryProto.newBuilder()
                                .setLogData(ByteString.copyFrom(data)))
                .build();
    }

    @Test
    void theLogUsesOurChannel() throws ClassNotFoundException {
        Class<?> channel =
                Class.forName("org.apache.ratis.server.raftlog.segmented.BufferedWriteChannel");
        assertThat(channel.getProtectionDomain().getCodeSource())
                .isEqualTo(RaftHost.class.getProtectionDomain().getCodeSource());
    }

    @Test
    void littleWritesAreFilledAheadAndGreatOnesAreNot() throws Exception {
        Path path = directory.resolve("log_inprogress_0");
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
            assertThat(LogInspector.inspectWhole(directory).lastIndex()).isEqualTo(3);
        }
        try (SegmentedRaftLogOutputStream out = segment(0, true)) {
            out.write(entry(4, 100));
            out.flush();
            assertThat(LogInspector.inspectWhole(directory).lastIndex()).isEqualTo(4);
        }
        assertThat(LogInspector.inspectWhole(directory))
                .isEqualTo(new LogInspector.Result(0, 4, 1, 0));
    }

    /// A loss of power may leave any of its pages unwritten, or the file too short.
    @Test
    void aGreatWriteThatWasCutOffIsCutAway() throws Exception {
        Path path = directory.resolve("log_inprogress_0");
        long first;
        try (SegmentedRaftLogOutputStream out = segment(0, false)) {
            out.write(entry(0, 200_000));
            out.flush();
            first = Files.size(path);
            out.write(entry(1, 200_000));
            out.flush();
        }
        byte[] whole = Files.readAllBytes(path);
        for (int page = (int) first / 4096 + 1; page < whole.length / 4096; page += 7) {
            byte[] torn = whole.clone();
            java.util.Arrays.fill(torn, page * 4096, (page + 1) * 4096, (byte) 0);
            assertCut(path, torn);
            assertCut(path, java.util.Arrays.copyOf(whole, page * 4096));
        }
    }

    private void assertCut(Path path, byte[] torn) throws Exception {
        Files.write(path, torn);
        LogInspector.Result found = LogInspector.inspectWhole(directory);
        assertThat(found.lastIndex()).isZero();
        assertThat(found.cutBytes()).isPositive();
    }

    @Test
    void aSecondNameKeepsTheBlocksUntilTheyAreDisposedOf() throws IOException {
        Deque<Runnable> background = new ArrayDeque<>();
        Path names = directory.resolve(PurgedFiles.DIRECTORY);
        Path segment = directory.resolve("log_0-9");
        Files.write(segment, new byte[] {1, 2, 3});
        try (PurgedFiles purged = PurgedFiles.open(directory, background::add)) {
            purged.keep(segment);
            purged.keep(segment);
            Files.delete(segment);
            assertThat(names.resolve("log_0-9")).hasBinaryContent(new byte[] {1, 2, 3});
            purged.dispose();
            background.remove().run();
            assertThat(names).isEmptyDirectory();
            Files.write(segment, new byte[] {4});
            purged.keep(segment);
        }
        PurgedFiles.open(directory, background::add).close();
        assertThat(names).as("what was left").doesNotExist();
        assertThat(segment).hasBinaryContent(new byte[] {4});
    }

    @Test
    void whatIsPurgedIsGoneUnderBothNames() throws Exception {
        Cluster cluster = new Cluster(directory);
        cluster.configure =
                config -> config.withLog(new RaftLogLimits(SEGMENT / 4, PREALLOCATED, SEGMENT));
        try (cluster) {
            RaftGroup group = cluster.start(1).leader();
            String text = "x".repeat(100_000);
            for (int i = 0; i < 10; i++) {
                Cluster.propose(group, text);
                KeepingStateMachine machine = cluster.machine(group);
                machine.checkpoint = machine.last;
            }
            Path replica = RaftHost.directory(directory.resolve("n1"), Cluster.GROUP, "n1.0");
            await().untilAsserted(() -> {
                assertThat(group.stats().purgedIndex()).isPositive();
                assertThat(replica.resolve(PurgedFiles.DIRECTORY)).isEmptyDirectory();
            });
        }
    }
}
