package io.cistern.vmdisk.vhost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.FileTrees;
import io.cistern.block.MemoryBlockDevice;
import io.cistern.block.MemoryBlockDevice.Operation;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The back end as a front end sees it.
@Timeout(60)
class VhostServerTest {
    private static final int MIB = 1 << 20;
    private static final int WAIT_MS = 20_000;

    @TempDir Path directory = Path.of("");

    private MemoryBlockDevice device = new MemoryBlockDevice(MIB);
    private Path socket = Path.of("");
    private final List<AutoCloseable> open = new ArrayList<>();

    @BeforeEach
    void place() {
        device = new MemoryBlockDevice(8 * MIB);
        socket = directory.resolve("v");
    }

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable one : open.reversed()) {
            one.close();
        }
    }

    private VhostServer serve(BlockDevice served, boolean readOnly) {
        VhostServer server =
                VhostServer.open(
                        new Target("disk-7", served, readOnly),
                        socket,
                        new Buffers(64 * MIB),
                        VhostServer.defaultPollNanos());
        open.add(server);
        return server;
    }

    private FrontEnd connect(FrontEnd.Options options) throws IOException {
        FrontEnd front = new FrontEnd(options);
        open.add(front);
        front.connect(socket);
        return front;
    }

    private static void fill(FrontEnd front, int slot, int bytes, int seed) {
        byte[] data = new byte[bytes];
        new Random(seed).nextBytes(data);
        front.memory().copyIn(front.ring(0).dataAt(slot), ByteBuffer.wrap(data));
    }

    private static byte[] data(FrontEnd front, int slot, int bytes) {
        ByteBuffer out = ByteBuffer.allocate(bytes);
        front.memory().copyOut(front.ring(0).dataAt(slot), out);
        return out.array();
    }

    private static int run(FrontEnd front, int type, long sector, int bytes) throws IOException {
        return front.ring(0).run(type, sector, bytes, WAIT_MS);
    }

    @Test
    void writesAreReadAgainInEveryFormOfRing() throws IOException {
        serve(device, false);
        for (long without : new long[] {0, Features.INDIRECT_DESC, Features.EVENT_IDX}) {
            FrontEnd.Options all = FrontEnd.Options.of(1, 16, 256 << 10);
            for (long protocolWithout :
                    new long[] {0, Features.PROTOCOL_CONFIGURE_MEM_SLOTS | 1 << 12}) {
                FrontEnd front =
                        connect(
                                new FrontEnd.Options(
                                        1,
                                        16,
                                        256 << 10,
                                        all.features() & ~without,
                                        all.protocolFeatures() & ~protocolWithout));
                for (int bytes : new int[] {512, 4096, 5 * 512, 128 << 10}) {
                    fill(front, 0, bytes, bytes);
                    byte[] written = data(front, 0, bytes);
                    assertThat(run(front, Job.OUT, 3, bytes)).isZero();
                    front.memory().copyIn(front.ring(0).dataAt(0), ByteBuffer.allocate(bytes));
                    assertThat(run(front, Job.IN, 3, bytes)).isZero();
                    assertThat(data(front, 0, bytes)).isEqualTo(written);
                }
                assertThat(run(front, Job.FLUSH, 0, 0)).isZero();
                open.removeLast();
                front.close();
            }
        }
        assertThat(Files.getPosixFilePermissions(socket))
                .isEqualTo(PosixFilePermissions.fromString("rw-------"));
    }

    @Test
    void identityConfigurationAndTheWriteCache() throws IOException {
        serve(device, false);
        FrontEnd front = connect(FrontEnd.Options.of(1, 16, 4096));
        assertThat(run(front, Job.GET_ID, 0, 20)).isZero();
        assertThat(new String(data(front, 0, 20), StandardCharsets.US_ASCII).trim())
                .isEqualTo("disk-7");
        ByteBuffer config = front.config(0, 60);
        assertThat(config.getLong(0)).isEqualTo(device.sizeBytes() / 512);
        assertThat(config.getInt(12)).isEqualTo(BlockConfig.SEG_MAX);
        assertThat(config.getInt(20)).isEqualTo(512);
        assertThat(config.get(24)).as("4 KiB blocks").isEqualTo((byte) 3);
        assertThat(config.get(32)).isEqualTo((byte) 1);
        assertThat(config.getShort(34)).isEqualTo((short) Connection.MAX_QUEUES);
        front.send(Request.SET_CONFIG, new Payload.Config(32, 0, ByteBuffer.wrap(new byte[] {0})));
        assertThat(front.config(32, 1).get(0)).isZero();
        assertThat(front.number(Request.GET_QUEUE_NUM)).isEqualTo(Connection.MAX_QUEUES);
        assertThat(run(front, 99, 0, 0)).isEqualTo(Job.UNSUPP);
    }

    private static void segment(FrontEnd front, int i, long sector, int sectors, int flags) {
        long at = front.ring(0).dataAt(0) + 16L * i;
        front.memory().setLong(at, sector);
        front.memory().setInt(at + 8, sectors);
        front.memory().setInt(at + 12, flags);
    }

    @Test
    void discardAndWriteZeroes() throws IOException {
        serve(device, false);
        FrontEnd front = connect(FrontEnd.Options.of(1, 16, 64 << 10));
        fill(front, 0, 64 << 10, 1);
        assertThat(run(front, Job.OUT, 0, 64 << 10)).isZero();
        segment(front, 0, 8, 8, 0);
        segment(front, 1, 32, 16, 0);
        assertThat(run(front, Job.DISCARD, 0, 32)).isZero();
        segment(front, 0, 64, 8, 1);
        assertThat(run(front, Job.WRITE_ZEROES, 0, 16)).isZero();
        assertThat(run(front, Job.IN, 0, 64 << 10)).isZero();
        byte[] now = data(front, 0, 64 << 10);
        assertThat(Arrays.copyOfRange(now, 8 * 512, 16 * 512)).containsOnly(0);
        assertThat(Arrays.copyOfRange(now, 32 * 512, 48 * 512)).containsOnly(0);
        assertThat(Arrays.copyOfRange(now, 64 * 512, 72 * 512)).containsOnly(0);
        assertThat(Arrays.copyOfRange(now, 0, 512)).isNotEqualTo(new byte[512]);
        segment(front, 0, 0, 8, 1);
        assertThat(run(front, Job.DISCARD, 0, 16)).as("a discard with flags").isEqualTo(Job.UNSUPP);
        segment(front, 0, 0, 8, 2);
        assertThat(run(front, Job.WRITE_ZEROES, 0, 16)).isEqualTo(Job.UNSUPP);
        segment(front, 0, Long.MAX_VALUE, 8, 0);
        assertThat(run(front, Job.DISCARD, 0, 16)).isEqualTo(Job.IOERR);
        segment(front, 0, 0, -1, 0);
        assertThat(run(front, Job.DISCARD, 0, 16)).isEqualTo(Job.IOERR);
        assertThat(run(front, Job.DISCARD, 0, 8)).isEqualTo(Job.IOERR);
    }

    @Test
    void rangesBeyondTheEndAndOddLengthsAreErrorsOfTheGuest() throws IOException {
        VhostServer server = serve(device, false);
        FrontEnd front = connect(FrontEnd.Options.of(1, 16, 8192));
        long end = device.sizeBytes() / 512;
        assertThat(run(front, Job.IN, end - 8, 4096)).isZero();
        for (int type : new int[] {Job.IN, Job.OUT}) {
            assertThat(run(front, type, end - 7, 4096)).isEqualTo(Job.IOERR);
            assertThat(run(front, type, -1, 4096)).isEqualTo(Job.IOERR);
            assertThat(run(front, type, Long.MAX_VALUE, 4096)).isEqualTo(Job.IOERR);
            assertThat(run(front, type, 0, 100)).isEqualTo(Job.IOERR);
        }
        assertThat(run(front, Job.IN, 0, 4096)).as("the connection goes on").isZero();
        assertThat(server.counters().errors()).isEqualTo(8);
    }

    @Test
    void aReadOnlyDeviceSaysSo() throws IOException {
        serve(device, true);
        FrontEnd front = new FrontEnd(FrontEnd.Options.of(1, 16, 4096));
        open.add(front);
        assertThatThrownBy(() -> front.connect(socket)).hasMessageContaining("does not offer");
        long features = Features.offered(true) & ~Features.LOG_ALL;
        FrontEnd reader =
                new FrontEnd(new FrontEnd.Options(1, 16, 4096, features, Features.PROTOCOL));
        front.close();
        open.remove(front);
        open.add(reader);
        reader.connect(socket);
        assertThat(run(reader, Job.IN, 0, 4096)).isZero();
        assertThat(run(reader, Job.OUT, 0, 4096)).isEqualTo(Job.IOERR);
        assertThat(run(reader, Job.WRITE_ZEROES, 0, 16)).isEqualTo(Job.IOERR);
    }

    /// Requests complete in any order, on other threads; each is answered once and rightly. A model
    /// of the disk says what reads must give.
    @Property(tries = 12)
    void answersInAnyOrderAreRight(@ForAll long seed) throws Exception {
        place();
        directory = Files.createTempDirectory("vhost");
        socket = directory.resolve("v");
        Random random = new Random(seed);
        ConcurrentLinkedQueue<CompletableFuture<Void>> held = new ConcurrentLinkedQueue<>();
        device.gate((operation, offset, length) -> {
            CompletableFuture<Void> later = new CompletableFuture<>();
            held.add(later);
            return later;
        });
        Thread releaser =
                Thread.ofPlatform()
                        .daemon()
                        .start(() -> {
                            Random order = new Random(seed + 1);
                            List<CompletableFuture<Void>> some = new ArrayList<>();
                            while (!Thread.currentThread().isInterrupted()) {
                                for (CompletableFuture<Void> one = held.poll();
                                        one != null;
                                        one = held.poll()) {
                                    some.add(one);
                                }
                                if (!some.isEmpty()) {
                                    some.remove(order.nextInt(some.size())).complete(null);
                                } else {
                                    Thread.onSpinWait();
                                }
                            }
                            some.forEach(one -> one.complete(null));
                        });
        serve(device, false);
        FrontEnd front = connect(FrontEnd.Options.of(1, 32, 4096));
        GuestRing ring = front.ring(0);
        byte[] model = new byte[32];
        int[] type = new int[32];
        int[] expected = new int[32];
        boolean[] busy = new boolean[32];
        int done = 0;
        int inFlight = 0;
        while (done < 2000) {
            // Each slot has a block of its own, so that order between slots does not matter.
            int slot = random.nextInt(32);
            if (!busy[slot] && inFlight < 24) {
                type[slot] = random.nextBoolean() ? Job.OUT : Job.IN;
                expected[slot] = type[slot] == Job.OUT ? random.nextInt(256) : model[slot] & 0xff;
                byte[] bytes = new byte[4096];
                Arrays.fill(bytes, (byte) (type[slot] == Job.OUT ? expected[slot] : 0x5a));
                front.memory().copyIn(ring.dataAt(slot), ByteBuffer.wrap(bytes));
                ring.submit(slot, type[slot], slot * 8L, 4096);
                ring.kick();
                busy[slot] = true;
                inFlight++;
                continue;
            }
            int answered = ring.poll();
            if (answered < 0) {
                ring.await(WAIT_MS);
                continue;
            }
            assertThat(busy[answered]).as("seed %s: answered once", seed).isTrue();
            assertThat(ring.status(answered)).isZero();
            ByteBuffer out = ByteBuffer.allocate(4096);
            front.memory().copyOut(ring.dataAt(answered), out);
            assertThat(out.array()).as("seed %s", seed).containsOnly(expected[answered]);
            if (type[answered] == Job.OUT) {
                model[answered] = (byte) expected[answered];
            }
            busy[answered] = false;
            inFlight--;
            done++;
        }
        int taken = front.stop(0);
        while (ring.poll() >= 0) {
            done++;
        }
        assertThat(taken).as("seed %s: what was taken is answered", seed).isEqualTo(done);
        releaser.interrupt();
        releaser.join();
        close();
        open.clear();
        FileTrees.delete(directory); // jqwik knows no TempDir
    }

    @Test
    void stoppingARingWaitsForWhatIsUnderWay() throws Exception {
        CompletableFuture<Void> slow = new CompletableFuture<>();
        device.gate((operation, offset, length) ->
                operation == Operation.WRITE ? slow : CompletableFuture.completedFuture(null));
        serve(device, false);
        FrontEnd front = connect(FrontEnd.Options.of(1, 16, 4096));
        front.ring(0).submit(1, Job.OUT, 0, 4096);
        front.ring(0).kick();
        front.ring(0).run(Job.FLUSH, 0, 0, WAIT_MS);
        CompletableFuture<Integer> stopped =
                CompletableFuture.supplyAsync(() -> {
                    try {
                        return front.stop(0);
                    } catch (IOException e) {
                        throw new IllegalStateException(e);
                    }
                });
        front.ring(0).submit(2, Job.OUT, 8, 4096);
        front.ring(0).forceKick();
        assertThat(front.ring(0).poll()).isEqualTo(-1);
        assertThat(stopped).isNotDone();
        slow.complete(null);
        int base = stopped.join();
        // The second write may have come before the stop; the flush and what was taken is answered.
        List<Integer> answered = new ArrayList<>();
        for (int i = 1; i < base; i++) {
            answered.add(front.ring(0).poll());
        }
        assertThat(answered).contains(1).isSubsetOf(1, 2);
        assertThat(front.ring(0).poll()).isEqualTo(-1);
    }

    /// What the device has not answered when the driver must stop is submitted again by the next.
    @Test
    void closingDoesNotWaitForADeviceThatIsStuck() throws Exception {
        MemoryBlockDevice stuck = new MemoryBlockDevice(MIB);
        List<CompletableFuture<Void>> never = new ArrayList<>();
        stuck.gate((operation, offset, length) -> {
            CompletableFuture<Void> one = new CompletableFuture<>();
            never.add(one);
            return one;
        });
        VhostServer server = serve(stuck, false);
        FrontEnd front = connect(FrontEnd.Options.of(1, 16, 4096));
        fill(front, 5, 4096, 1);
        front.ring(0).submit(5, Job.OUT, 0, 4096);
        front.ring(0).kick();
        await().until(() -> !never.isEmpty());
        server.close();
        never.forEach(one -> one.complete(null));
        serve(device, false);
        front.connect(socket);
        assertThat(front.ring(0).await(WAIT_MS)).isTrue();
        assertThat(front.ring(0).poll()).isEqualTo(5);
        assertThat(front.ring(0).status(5)).isZero();
        ByteBuffer out = ByteBuffer.allocate(4096);
        assertThat(device.tryRead(0, out)).isTrue();
        assertThat(out.array()).isEqualTo(data(front, 5, 4096));
    }

    @Test
    void failuresOfTheDeviceReachTheGuestAndTheRingGoesOn() throws IOException {
        device.gate((operation, offset, length) ->
                offset == 0
                        ? CompletableFuture.failedFuture(
                                new CisternException(ErrorCode.FENCED, "taken over"))
                        : CompletableFuture.completedFuture(null));
        VhostServer server = serve(device, false);
        FrontEnd front = connect(FrontEnd.Options.of(1, 16, 4096));
        assertThat(run(front, Job.OUT, 0, 4096)).isEqualTo(Job.IOERR);
        assertThat(run(front, Job.IN, 0, 4096)).isEqualTo(Job.IOERR);
        assertThat(run(front, Job.OUT, 8, 4096)).isZero();
        server.refuse();
        await().until(() -> run(front, Job.OUT, 8, 4096) == Job.IOERR);
    }

    @Test
    void aSecondFrontEndIsRefusedAndASuccessorServed() throws Exception {
        VhostServer server = serve(device, false);
        FrontEnd first = connect(FrontEnd.Options.of(1, 16, 4096));
        assertThat(server.peer()).isEqualTo((int) ProcessHandle.current().pid());
        FrontEnd second = new FrontEnd(FrontEnd.Options.of(1, 16, 4096));
        open.add(second);
        assertThatThrownBy(() -> second.connect(socket)).isInstanceOf(IOException.class);
        assertThat(run(first, Job.IN, 0, 4096)).isZero();
        first.close();
        open.remove(first);
        assertThat(server.awaitNoPeer(WAIT_MS)).isTrue();
        second.connect(socket);
        assertThat(run(second, Job.IN, 0, 4096)).isZero();
        assertThat(server.counters().refused()).isEqualTo(1);
    }

    @Test
    void aFrontEndIsToldThatTheDiskHasGrown() throws IOException {
        VhostServer server = serve(device, false);
        FrontEnd front = connect(FrontEnd.Options.of(1, 16, 4096));
        try (FrontEnd.Listener listener = front.listen()) {
            front.number(Request.GET_QUEUE_NUM);
            device.resize(16 * MIB);
            server.resized();
            assertThat(listener.next(WAIT_MS)).isEqualTo(2);
        }
        assertThat(front.config(0, 8).getLong(0)).isEqualTo(16 * MIB / 512);
        assertThat(run(front, Job.IN, 12 * MIB / 512, 4096)).isZero();
    }

    @Test
    void writesAreMarkedInTheDirtyLog() throws IOException {
        serve(device, false);
        FrontEnd front = connect(FrontEnd.Options.of(1, 16, 16 << 10));
        long pages = front.memory().bytes() >> 12;
        int fd = NativeMemory.memfd("log", 4096 + 4096);
        SharedMemory log = SharedMemory.map(fd, 8192);
        front.send(Request.SET_FEATURES, new Payload.Number(Features.WRITABLE));
        front.send(Request.SET_LOG_BASE, new Payload.LogArea(4096, 4096), fd);
        front.reply(Request.SET_LOG_BASE, new int[0]);
        Native.close(fd);
        front.send(Request.SET_VRING_ADDR, front.ring(0).address(1));
        front.number(Request.GET_QUEUE_NUM);
        assertThat(run(front, Job.IN, 0, 16 << 10)).isZero();
        long first = front.ring(0).dataAt(0) >> 12;
        for (long page = 0; page < pages; page++) {
            boolean marked = (log.getByte(4096 + page / 8) >> page % 8 & 1) != 0;
            boolean dataPage = page >= first && page < first + 4;
            boolean usedPage = page == front.ring(0).usedAt() >> 12;
            boolean statusPage = page == front.ring(0).statusAt(0) >> 12;
            assertThat(marked).as("page %s", page).isEqualTo(dataPage || usedPage || statusPage);
        }
        log.release();
    }

    @Test
    void closingAnswersWhatIsUnderWayAndASuccessorGoesOn() throws Exception {
        VhostServer server = serve(device, false);
        FrontEnd front = connect(FrontEnd.Options.of(2, 16, 4096));
        assertThat(front.ring(1).run(Job.OUT, 0, 4096, WAIT_MS)).isZero();
        server.close();
        assertThat(front.closed(WAIT_MS)).isTrue();
        assertThat(Files.exists(socket)).isFalse();
        front.ring(1).submit(3, Job.IN, 0, 4096);
        front.ring(1).kick();
        serve(device, false);
        front.connect(socket);
        assertThat(front.ring(1).await(WAIT_MS)).isTrue();
        assertThat(front.ring(1).poll()).isEqualTo(3);
        assertThat(front.ring(0).run(Job.IN, 0, 4096, WAIT_MS)).isZero();
    }
}
