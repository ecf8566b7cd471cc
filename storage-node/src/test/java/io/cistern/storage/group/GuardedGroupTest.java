package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice;
import io.cistern.block.GuardedDevice.SharedRecord;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Origin;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import io.cistern.storage.group.VolumeGroup.Receipt;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Shared records, guards and atomic changes through a real group of three.
class GuardedGroupTest {
    private static final int SECTOR = 512;
    private static final int SIZE = 1 << 20;
    private static final int WRITERS = 6;

    @TempDir Path directory;
    private TestCluster cluster;
    private TestClient client;

    @BeforeEach
    void start() {
        cluster = new TestCluster(directory, TestCluster.Options.of(3));
        client = new TestClient(cluster, 1).create(SIZE).attach(AttachMode.SHARED);
    }

    @AfterEach
    void stop() {
        client.close();
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    private static void refused(ErrorCode code, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        CisternException.class, e -> assertThat(e.code()).isEqualTo(code));
    }

    private static byte[] filled(int length, int value) {
        byte[] data = new byte[length];
        Arrays.fill(data, (byte) value);
        return data;
    }

    private static byte[] stamped(long value) {
        return ByteBuffer.allocate(SECTOR).putLong(value).array();
    }

    private byte[] guardedRead(long guard) {
        ReadRequest request =
                new ReadRequest(1, null, client.attachment, ReadRequest.LEADER_LEASE, guard);
        return client.read(request, 0, SECTOR);
    }

    private SharedRecord record() {
        return client.retry(group -> group.record(1));
    }

    @Test
    void aRequestTakesEffectOnlyWhileTheRecordIsAsItsSenderKnewIt() {
        assertThat(record()).isEqualTo(SharedRecord.EMPTY);
        client.write(0, filled(SECTOR, 1), 0);
        assertThat(client.replaceRecord(0, "reserved")).isEqualTo(1);
        refused(ErrorCode.CHANGED, () -> client.replaceRecord(0, "by another"));
        refused(ErrorCode.CHANGED, () -> client.write(0, filled(SECTOR, 2), 0));
        refused(ErrorCode.CHANGED, () -> guardedRead(0));
        AtomicWrite or =
                new AtomicWrite(
                        AtomicWrite.Kind.OR,
                        0,
                        ByteBuffer.allocate(0),
                        ByteBuffer.wrap(filled(SECTOR, 4)));
        refused(ErrorCode.CHANGED, () -> client.atomic(or, 0));
        assertThat(guardedRead(1)).isEqualTo(filled(SECTOR, 1));
        client.atomic(or, 1);
        assertThat(client.read(0, SECTOR)).isEqualTo(filled(SECTOR, 5));
        VolumeState state = client.retry(group -> group.describe(1));
        assertThat(state.recordVersion()).isEqualTo(1);
    }

    /// Beside nodes of an earlier release a leader writes what they apply in the same way.
    @Test
    void leadersRememberEndedAttachmentsOnlyWhereAllNodesDo() {
        cluster.nodes.forEach(node -> node.host().rememberEnds(false));
        Command.Attach first = new Command.Attach(1, AttachMode.EXCLUSIVE, 5, 1, "a", 1, true);
        long granted = client.execute(first).value();
        client.execute(new Command.Detach(1, granted, true));
        long again = client.execute(first).value();
        assertThat(again).as("as it always was").isNotEqualTo(granted);
        cluster.nodes.forEach(node -> node.host().rememberEnds(true));
        client.execute(new Command.Detach(1, again));
        refused(ErrorCode.FENCED, () -> client.execute(first.remembering(false)));
    }

    /// Beside nodes that do not know them they leave out what attachments are based on.
    @Test
    void leadersSayWhatAttachmentsAreBasedOnOnlyWhereAllNodesKnow() {
        cluster.nodes.forEach(node -> node.host().countEnds(false));
        long shared = 0;
        for (int i = 0; i < 3; i++) {
            shared =
                    client.execute(new Command.Attach(1, AttachMode.SHARED, 5, i, "s", 1, true))
                            .version();
        }
        Command.Attach alone = new Command.Attach(1, AttachMode.EXCLUSIVE, 6, 1, "a", 1, true);
        long plain = client.execute(alone).version();
        assertThat(plain).isEqualTo(shared + 1);
        cluster.nodes.forEach(node -> node.host().countEnds(true));
        for (int i = 0; i < 3; i++) {
            shared =
                    client.execute(new Command.Attach(1, AttachMode.SHARED, 7, i, "s", 1, true))
                            .version();
        }
        long counted =
                client.execute(new Command.Attach(1, AttachMode.EXCLUSIVE, 8, 1, "b", 1, true))
                        .version();
        assertThat(counted).as("each that it ends").isEqualTo(shared + 4);
    }

    /// What a request was answered stays its answer, whatever became of the record.
    @Test
    void anAnswerIsFinalForItsNumber() {
        Origin refused = client.begin().guardedBy(5);
        Origin done = client.begin().guardedBy(0);
        ByteBuffer data = ByteBuffer.wrap(filled(SECTOR, 1));
        refused(
                ErrorCode.CHANGED,
                () -> client.retry(group -> group.write(1, refused, SECTOR, data)));
        client.retry(group -> group.write(1, done, 0, data));
        for (int version = 0; version < 5; version++) {
            client.replaceRecord(version, "v" + version);
        }
        refused(
                ErrorCode.CHANGED,
                () -> client.retry(group -> group.write(1, refused, SECTOR, data)));
        client.retry(group -> group.write(1, done, 0, data));
        assertThat(client.read(0, 2 * SECTOR))
                .isEqualTo(Arrays.copyOf(filled(SECTOR, 1), 2 * SECTOR));
    }

    /// A late copy of a comparison that failed must not find what it looks for after all.
    @Test
    void aFailedComparisonIsFinalForItsNumber() {
        Origin origin = client.begin();
        AtomicWrite compare =
                new AtomicWrite(
                        AtomicWrite.Kind.COMPARE,
                        100 * SECTOR,
                        ByteBuffer.wrap(stamped(1)),
                        ByteBuffer.wrap(stamped(9)));
        Receipt failed = client.retry(group -> group.writeAtomic(1, origin, compare));
        assertThat(failed.value()).as("the eighth byte differs").isEqualTo(8);
        client.write(100 * SECTOR, stamped(1));
        Receipt again = client.retry(group -> group.writeAtomic(1, origin, compare));
        assertThat(again.value()).isEqualTo(8);
        assertThat(client.read(100 * SECTOR, SECTOR)).isEqualTo(stamped(1));
    }

    @Test
    void changesOfAnyAlignmentAreEvaluatedWhole() {
        long offset = 524_288 - 3 * SECTOR;
        byte[] before = filled(64 << 10, 3);
        client.write(offset, before);
        byte[] other = before.clone();
        other[65_000] = 4;
        assertThat(client.compareAndWrite(offset, other, filled(64 << 10, 5))).isFalse();
        assertThat(client.read(offset, 64 << 10)).isEqualTo(before);
        assertThat(client.compareAndWrite(offset, before, filled(64 << 10, 5))).isTrue();
        byte[] around = new byte[(64 << 10) + 2 * SECTOR];
        Arrays.fill(around, SECTOR, around.length - SECTOR, (byte) 5);
        assertThat(client.read(offset - SECTOR, around.length)).isEqualTo(around);
        refused(
                ErrorCode.INVALID,
                () ->
                        client.compareAndWrite(
                                0,
                                new byte[GuardedDevice.MAX_ATOMIC_BYTES + 1],
                                new byte[GuardedDevice.MAX_ATOMIC_BYTES + 1]));
        refused(
                ErrorCode.OUT_OF_RANGE,
                () -> client.compareAndWrite(SIZE - SECTOR, new byte[1024], new byte[1024]));
    }

    @Test
    void theRecordSurvivesARestartOfEveryNode() {
        String text = "x".repeat(60_000);
        client.replaceRecord(0, "first");
        client.replaceRecord(1, text);
        cluster.awaitEven();
        cluster.nodes.forEach(TestCluster.Node::stop);
        cluster.nodes.forEach(TestCluster.Node::restart);
        assertThat(record())
                .isEqualTo(
                        new SharedRecord(
                                2, ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8))));
        refused(ErrorCode.CHANGED, () -> client.write(0, filled(SECTOR, 1), 1));
        client.write(0, filled(SECTOR, 1), 2);
    }

    /// One writer alone increments a sector by compare and write while leaders are killed in the
    /// middle of it: what took effect and lost its answer must be answered with success, never as a
    /// comparison with itself.
    @Test
    void aRepeatedCompareAndWriteAnswersWhatItDidTheFirstTime() throws Exception {
        AtomicBoolean over = new AtomicBoolean();
        ExecutorService threads = Executors.newSingleThreadExecutor();
        try {
            Future<Long> count =
                    threads.submit(() -> {
                        long value = 0;
                        while (!over.get()) {
                            assertThat(
                                            client.compareAndWrite(
                                                    0, stamped(value), stamped(value + 1)))
                                    .as("from %d", value)
                                    .isTrue();
                            value++;
                        }
                        return value;
                    });
            for (int i = 0; i < 3; i++) {
                TestCluster.Node leader = cluster.leader();
                long tries = client.tries.get();
                cluster.await("progress", () -> client.tries.get() > tries + 20);
                leader.stop();
                cluster.leader();
                leader.restart();
            }
            over.set(true);
            long last = count.get();
            assertThat(client.read(0, SECTOR)).isEqualTo(stamped(last));
        } finally {
            over.set(true);
            threads.shutdown();
        }
    }

    /// Each round, all want to be the one who takes the sector from the round before.
    @Test
    void ofManyWhoCompareAndWriteExactlyOneWins() throws Exception {
        int rounds = 30;
        ExecutorService threads = Executors.newFixedThreadPool(WRITERS);
        List<TestClient> writers = new ArrayList<>();
        try {
            for (int w = 0; w < WRITERS; w++) {
                writers.add(new TestClient(cluster, 1).attach(AttachMode.SHARED));
            }
            byte[] holds = new byte[SECTOR];
            for (int round = 1; round <= rounds; round++) {
                byte[] before = holds;
                List<Callable<byte[]>> all = new ArrayList<>();
                for (int w = 0; w < WRITERS; w++) {
                    TestClient writer = writers.get(w);
                    byte[] mine = stamped(round * 100L + w);
                    all.add(() ->
                            writer.compareAndWrite(SECTOR, before, mine) ? mine : new byte[0]);
                }
                List<Future<byte[]>> running = new ArrayList<>();
                all.forEach(one -> running.add(threads.submit(one)));
                if (round % 10 == 5) {
                    TestCluster.Node leader = cluster.leader();
                    leader.stop();
                    cluster.leader();
                    leader.restart();
                }
                List<byte[]> won = new ArrayList<>();
                for (Future<byte[]> one : running) {
                    if (one.get().length > 0) {
                        won.add(one.get());
                    }
                }
                assertThat(won).as("winners of round %d", round).hasSize(1);
                holds = won.getFirst();
                assertThat(client.read(SECTOR, SECTOR)).isEqualTo(holds);
            }
        } finally {
            writers.forEach(TestClient::close);
            threads.shutdownNow();
        }
    }

    /// 64 KiB across the border of two slots are seen whole by readers on every replica.
    @Test
    void noReaderSeesPartOfAnAtomicWrite() throws Exception {
        long offset = 32 << 10;
        int length = 64 << 10;
        AtomicBoolean over = new AtomicBoolean();
        ExecutorService threads = Executors.newCachedThreadPool();
        List<Future<Integer>> readers = new ArrayList<>();
        try {
            client.write(offset, new byte[length]);
            cluster.awaitEven();
            for (TestCluster.Node node : cluster.nodes) {
                GroupReplica replica = node.host().group(TestCluster.GROUP);
                assertThat(replica).isNotNull();
                readers.add(threads.submit(() -> readWhole(replica, offset, length, over)));
            }
            for (int i = 1; i <= 150; i++) {
                client.atomic(
                        new AtomicWrite(
                                AtomicWrite.Kind.WRITE,
                                offset,
                                ByteBuffer.allocate(0),
                                ByteBuffer.wrap(filled(length, i))),
                        GuardedDevice.NO_GUARD);
            }
            over.set(true);
            for (Future<Integer> reader : readers) {
                assertThat(reader.get()).isPositive();
            }
        } finally {
            over.set(true);
            threads.shutdownNow();
        }
    }

    private static int readWhole(GroupReplica replica, long offset, int length, AtomicBoolean over)
            throws Exception {
        ByteBuffer dst = ByteBuffer.allocate(length);
        ReadRequest request = new ReadRequest(1, null, 0, 0);
        int reads = 0;
        while (!over.get() || reads == 0) {
            dst.clear();
            if (!replica.tryRead(request, offset, dst)) {
                replica.read(request, offset, dst.clear()).get();
            }
            byte first = dst.get(0);
            for (int i = 0; i < length; i += SECTOR) {
                assertThat(dst.get(i)).as("byte %d of read %d", i, reads).isEqualTo(first);
            }
            reads++;
        }
        return reads;
    }
}
