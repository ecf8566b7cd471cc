package io.cistern.volume.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.ClientConfig;
import io.cistern.volume.VolumeDevice;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ClientTest {
    private static final int SIZE = 4 << 20;

    private final FakeGroup group = new FakeGroup(3, SIZE);
    private final Client client = client(Duration.ofSeconds(20), Duration.ofMillis(150));

    private Client client(Duration request, Duration oneTry) {
        return new Client(
                group,
                new ClientConfig(List.of(), "", null, request, oneTry, Duration.ofSeconds(20)),
                () -> {});
    }

    @AfterEach
    void close() {
        group.lossOneIn = 0;
        group.servers.forEach(FakeGroup.Server::thaw);
        client.close();
        group.close();
    }

    private VolumeDevice open(AttachMode mode) {
        return client.open("web1", mode, "test");
    }

    private static ByteBuffer bytes(int length, int value) {
        byte[] data = new byte[length];
        Arrays.fill(data, (byte) value);
        return ByteBuffer.wrap(data);
    }

    private static byte[] read(VolumeDevice device, long offset, int length) {
        ByteBuffer dst = ByteBuffer.allocate(length);
        device.read(offset, dst).join();
        return dst.array();
    }

    private static void assertCode(CompletableFuture<?> future, ErrorCode code) {
        assertThatThrownBy(future::join)
                .isInstanceOf(CompletionException.class)
                .satisfies(e -> assertThat(CisternException.of(e).code()).isEqualTo(code));
    }

    @Test
    void whatIsWrittenIsReadAndBuffersKeepTheirPosition() {
        VolumeDevice device = open(AttachMode.EXCLUSIVE);
        ByteBuffer src = bytes(3000, 5).position(100);
        device.write(700, src).join();
        assertThat(src.position()).isEqualTo(100);
        ByteBuffer dst = ByteBuffer.allocate(2900);
        device.read(700, dst).join();
        assertThat(dst.position()).isZero();
        assertThat(dst.array()).containsOnly(5);
        device.zero(700, 1000, true).join();
        assertThat(read(device, 700, 1000)).containsOnly(0);
        assertThat(read(device, 1700, 1900)).containsOnly(5);
    }

    @Test
    void largeRequestsAreCutAndComeTogetherAgain() {
        VolumeDevice device = open(AttachMode.EXCLUSIVE);
        byte[] data = new byte[3 * Device.PART_BYTES + 1];
        new Random(1).nextBytes(data);
        device.write(12345, ByteBuffer.wrap(data)).join();
        assertThat(read(device, 12345, data.length)).isEqualTo(data);
        assertThat(device.stats().writes()).isEqualTo(4);
    }

    @Test
    void requestsBeyondTheEndAndWritesOnReadOnlyAreRefused() {
        VolumeDevice device = open(AttachMode.EXCLUSIVE);
        assertCode(device.write(SIZE - 1, bytes(2, 1)), ErrorCode.OUT_OF_RANGE);
        assertCode(device.read(-1, bytes(1, 1)), ErrorCode.OUT_OF_RANGE);
        assertCode(device.zero(0, Long.MAX_VALUE, true), ErrorCode.OUT_OF_RANGE);
        assertCode(open(AttachMode.READ_ONLY).write(0, bytes(1, 1)), ErrorCode.READ_ONLY);
    }

    /// Writes to distinct places, many under way at once, while the leader changes, freezes and
    /// loses answers; each takes effect exactly once and what was acknowledged is there.
    @Test
    void leaderChangesFreezesAndLossesLoseNothing() throws Exception {
        long seed = System.nanoTime();
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        VolumeDevice device = open(AttachMode.EXCLUSIVE);
        group.lossOneIn = 20;
        byte[] expected = new byte[SIZE];
        Semaphore room = new Semaphore(64);
        List<CompletableFuture<Void>> all = new ArrayList<>();
        int[] cells = random.ints(0, SIZE / 512).distinct().limit(3000).toArray();
        for (int i = 0; i < cells.length; i++) {
            if (i % 200 == 100) {
                disturb(random);
            }
            int at = cells[i] * 512;
            byte value = (byte) (1 + random.nextInt(100));
            Arrays.fill(expected, at, at + 512, value);
            room.acquire();
            all.add(
                    device.write(at, bytes(512, value))
                            .thenAccept(done -> assertThat(group.byteAt(at)).isEqualTo(value))
                            .whenComplete((v, e) -> room.release()));
        }
        group.servers.forEach(FakeGroup.Server::thaw);
        CompletableFuture.allOf(all.toArray(CompletableFuture[]::new)).join();
        group.lossOneIn = 0;
        assertThat(group.contents()).isEqualTo(expected);
        assertThat(group.appliedTwice).isEmpty();
        assertThat(group.widestSpan).isLessThanOrEqualTo(4 * Admission.MAX_IN_FLIGHT);
        assertThat(device.stats().retries()).isPositive();
        assertThat(read(device, 0, SIZE)).isEqualTo(expected);
    }

    private void disturb(Random random) {
        group.servers.forEach(FakeGroup.Server::thaw);
        int old = group.leader;
        group.leader = random.nextInt(3);
        if (group.leader != old && random.nextBoolean()) {
            group.servers.get(old).frozen = true;
        }
    }

    @Test
    void aFrozenLeaderIsLeftForTheNextOne() {
        VolumeDevice device = open(AttachMode.EXCLUSIVE);
        device.write(0, bytes(512, 1)).join();
        group.servers.get(0).frozen = true;
        CompletableFuture<Void> waiting = device.write(512, bytes(512, 2));
        CompletableFuture<Void> reading = device.read(0, ByteBuffer.allocate(512));
        group.leader = 2;
        waiting.join();
        reading.join();
        assertThat(group.byteAt(512)).isEqualTo((byte) 2);
    }

    /// The old leader answers others that it does not lead any more, and this request never.
    @Test
    void aChangeIsNotLeftWithAMemberThatLeadsNoMore() throws Exception {
        VolumeDevice device = open(AttachMode.EXCLUSIVE);
        group.servers.getFirst().frozen = true;
        CompletableFuture<Void> left = device.zero(0, 512, true);
        group.leader = 1;
        group.servers.getFirst().frozen = false;
        device.write(4096, bytes(512, 1)).join();
        left.get(5, TimeUnit.SECONDS);
        assertThat(group.appliedTwice).isEmpty();
    }

    @Test
    void aRequestFailsOnlyAfterItsDeadline() {
        try (Client impatient = client(Duration.ofMillis(300), Duration.ofMillis(50))) {
            VolumeDevice device = impatient.open("web1", AttachMode.EXCLUSIVE, "test");
            group.leader = -1;
            assertCode(device.write(0, bytes(512, 1)), ErrorCode.UNAVAILABLE);
            group.leader = 0;
            device.write(0, bytes(512, 1)).join();
            group.servers.get(0).frozen = true;
            assertCode(device.write(0, bytes(512, 2)), ErrorCode.UNAVAILABLE);
            group.servers.get(0).thaw();
            device.write(0, bytes(512, 3)).join();
            assertThat(group.byteAt(0)).isEqualTo((byte) 3);
        }
    }

    @Test
    void aSecondExclusiveHolderEndsTheFirstForGood() {
        VolumeDevice first = open(AttachMode.EXCLUSIVE);
        first.write(0, bytes(512, 1)).join();
        VolumeDevice second = open(AttachMode.EXCLUSIVE);
        assertCode(first.write(0, bytes(512, 9)), ErrorCode.FENCED);
        assertThat(first.ended().join().code()).isEqualTo(ErrorCode.FENCED);
        assertCode(first.read(0, bytes(512, 9)), ErrorCode.FENCED);
        second.write(0, bytes(512, 2)).join();
        assertThat(group.byteAt(0)).isEqualTo((byte) 2);
    }

    @Test
    void anIdleHolderLearnsOfItsEndByPolling() {
        VolumeDevice first = open(AttachMode.EXCLUSIVE);
        open(AttachMode.EXCLUSIVE);
        assertThat(first.ended().orTimeout(20, TimeUnit.SECONDS).join().code())
                .isEqualTo(ErrorCode.FENCED);
    }

    @Test
    void resizeAndLimitsReachAnOpenDevice() throws Exception {
        VolumeDevice device = open(AttachMode.EXCLUSIVE);
        CompletableFuture<Long> heard = new CompletableFuture<>();
        try (AutoCloseable handle = device.onResize(heard::complete)) {
            group.resize(2 * SIZE);
            assertThat(heard.orTimeout(20, TimeUnit.SECONDS).join()).isEqualTo(2L * SIZE);
            assertThat(device.sizeBytes()).isEqualTo(2L * SIZE);
            assertThat(handle).isNotNull();
        }
        group.limit(new Limits(1000, 0));
        device.refresh().join();
        assertThat(device.limits()).isEqualTo(new Limits(1000, 0));
        List<CompletableFuture<Void>> all = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            all.add(device.write(0, bytes(512, 1)));
        }
        CompletableFuture.allOf(all.toArray(CompletableFuture[]::new)).join();
        group.limit(Limits.NONE);
        device.refresh().join();
        assertThat(device.limits()).isEqualTo(Limits.NONE);
    }

    @Test
    void readsComeFromTheLocalReplicaAndElsewhereWhereItIsBehind() {
        FakeGroup.Server local = group.servers.get(2);
        local.local = true;
        VolumeDevice device = open(AttachMode.EXCLUSIVE);
        device.write(0, bytes(512, 4)).join();
        ByteBuffer dst = ByteBuffer.allocate(512);
        assertThat(device.tryRead(0, dst)).isTrue();
        assertThat(dst.array()).containsOnly(4);
        local.stale = true;
        assertThat(device.tryRead(0, ByteBuffer.allocate(512))).isFalse();
        assertThat(read(device, 0, 512)).containsOnly(4);
    }

    /// A follower may have applied an entry that its leader is only about to.
    @Test
    void aReadShowsWhatOneFromMemoryHasShown() {
        FakeGroup.Server local = group.servers.get(2);
        local.local = true;
        local.ahead = 3;
        VolumeDevice device = open(AttachMode.EXCLUSIVE);
        device.write(0, bytes(512, 4)).join();
        assertThat(device.tryRead(0, ByteBuffer.allocate(512))).isTrue();
        long shown = local.visibleIndex();
        local.local = false;
        assertThat(read(device, 0, 512)).containsOnly(4);
        assertThat(group.servers.stream().mapToLong(server -> server.asked).max()).hasValue(shown);
    }

    @Test
    void aClosedDeviceRefusesAndDetaches() {
        VolumeDevice device = open(AttachMode.EXCLUSIVE);
        assertThat(client.attachments("web1")).hasSize(1);
        device.close();
        assertCode(device.write(0, bytes(512, 1)), ErrorCode.UNAVAILABLE);
        assertThat(client.attachments("web1")).isEmpty();
    }

    @Test
    void bucketLetsThroughWhatItPromises() {
        AtomicLong clock = new AtomicLong(1_000_000_000_000L);
        TokenBucket bucket = new TokenBucket(new Limits(100, 1 << 20), clock.get());
        assertThat(secondsFor(bucket, clock, 1000, 4096)).isBetween(9.8, 10.1);
        assertThat(secondsFor(bucket, clock, 20, 1 << 20)).isBetween(18.8, 20.2);
    }

    private static double secondsFor(
            TokenBucket bucket, AtomicLong clock, int requests, int bytes) {
        long start = clock.get();
        for (int let = 0; let < requests; ) {
            long wait = bucket.take(clock.get(), bytes);
            if (wait == 0) {
                let++;
            } else {
                clock.addAndGet(wait);
            }
        }
        return (clock.get() - start) / 1e9;
    }

    private static ByteBuffer text(String text) {
        return ByteBuffer.wrap(text.getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }

    /// What one device does under the record it knows ends when another has replaced it, and the
    /// first learns of the new one.
    @Test
    void guardsHoldAndListenersHearOfNewRecords() throws Exception {
        VolumeDevice one = open(AttachMode.SHARED);
        VolumeDevice two = open(AttachMode.SHARED);
        java.util.concurrent.BlockingQueue<Long> heard =
                new java.util.concurrent.LinkedBlockingQueue<>();
        one.onRecord(record -> heard.add(record.version()));
        one.write(0, bytes(512, 1), 0).join();
        assertThat(two.replaceRecord(0, text("two")).join().version()).isEqualTo(1);
        assertCode(one.write(0, bytes(512, 2), 0), ErrorCode.CHANGED);
        assertCode(one.zero(0, 512, true, 0), ErrorCode.CHANGED);
        assertCode(one.read(0, bytes(512, 0), 0), ErrorCode.CHANGED);
        assertCode(one.compareAndWrite(0, bytes(8, 1), bytes(8, 2), 0), ErrorCode.CHANGED);
        assertCode(one.replaceRecord(0, text("one")), ErrorCode.CHANGED);
        assertThat(heard.poll(20, TimeUnit.SECONDS)).isEqualTo(1);
        assertThat(one.knownRecord().bytes()).isEqualTo(text("two"));
        assertThat(one.record().join().version()).isEqualTo(1);
        ByteBuffer dst = ByteBuffer.allocate(512);
        one.read(0, dst, 1).join();
        assertThat(dst.array()).containsOnly(1);
        assertCode(one.replaceRecord(1, ByteBuffer.allocate(65_537)), ErrorCode.LIMIT);
    }

    /// One device alone counts up by compare and write, losing answers all the time: each is
    /// answered with what it did, and records likewise.
    @Test
    void lostAnswersOfConditionalRequestsAreRepeatedNotReevaluated() {
        VolumeDevice device = open(AttachMode.SHARED);
        group.lossOneIn = 4;
        for (int i = 0; i < 100; i++) {
            assertThat(device.compareAndWrite(4090, bytes(16, i), bytes(16, i + 1), -1).join())
                    .isEqualTo(-1);
            assertThat(device.replaceRecord(i, text("r" + i)).join().version()).isEqualTo(i + 1);
        }
        assertThat(device.compareAndWrite(4090, bytes(16, 1), bytes(16, 2), 100).join()).isZero();
        device.or(4090, bytes(16, 0x80), 100).join();
        device.writeAtomic(0, bytes(16, 7), 100).join();
        assertThat(read(device, 4090, 16)).containsOnly(100 | 0x80);
        assertThat(read(device, 0, 16)).containsOnly(7);
        assertThat(group.appliedTwice).isEmpty();
    }
}
