package io.cistern.vmdisk.vhost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.cistern.block.MemoryBlockDevice;
import io.cistern.block.MemoryBlockDevice.Operation;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A guest is stopped, or its front end goes, while the volume answers nothing.
@Timeout(60)
class VhostStopTest {
    private static final int MIB = 1 << 20;
    private static final int BLOCK = 4096;
    private static final int WAIT_MS = 20_000;
    private static final int DRAIN_MS = 300;
    private static final FrontEnd.Options OPTIONS = FrontEnd.Options.of(1, 16, BLOCK);

    @TempDir Path directory = Path.of("");

    private final MemoryBlockDevice device = new MemoryBlockDevice(MIB);
    private final Queue<CompletableFuture<Void>> held = new ConcurrentLinkedQueue<>();
    private final AtomicInteger asked = new AtomicInteger();
    private Path socket = Path.of("");
    private final Buffers buffers = new Buffers(64 * MIB);
    private VhostServer server;
    private FrontEnd front;

    /// Block 0 holds ones; then the device has no majority.
    @BeforeEach
    void loseTheMajority() throws IOException {
        socket = directory.resolve("v");
        server = serve(DRAIN_MS);
        front = new FrontEnd(OPTIONS);
        byte[] ones = new byte[BLOCK];
        Arrays.fill(ones, (byte) 1);
        device.write(0, ByteBuffer.wrap(ones)).join();
        device.gate((operation, offset, length) -> {
            if (operation == Operation.FLUSH) {
                return CompletableFuture.completedFuture(null);
            }
            CompletableFuture<Void> one = new CompletableFuture<>();
            held.add(one);
            asked.incrementAndGet();
            return one;
        });
        front.connect(socket);
    }

    private VhostServer serve(long drainMillis) {
        return VhostServer.open(
                new Target("v", device, false),
                socket,
                buffers,
                VhostServer.defaultPollNanos(),
                drainMillis);
    }

    @AfterEach
    void close() {
        releaseAll();
        front.close();
        server.close();
    }

    private void releaseAll() {
        device.gate(null);
        for (CompletableFuture<Void> one = held.poll(); one != null; one = held.poll()) {
            one.complete(null);
        }
    }

    /// Slot 1 writes twos to block 1, slot 2 reads block 0 over sevens; both are under way.
    private void submitBoth() {
        fill(front, 1, 2);
        fill(front, 2, 7);
        front.ring(0).submit(1, Job.OUT, 8, BLOCK);
        front.ring(0).submit(2, Job.IN, 0, BLOCK);
        front.ring(0).kick();
        await().until(() -> asked.get() == 2);
    }

    private static void fill(FrontEnd of, int slot, int value) {
        byte[] bytes = new byte[BLOCK];
        Arrays.fill(bytes, (byte) value);
        of.memory().copyIn(of.ring(0).dataAt(slot), ByteBuffer.wrap(bytes));
    }

    private static byte[] data(FrontEnd of, int slot) {
        ByteBuffer out = ByteBuffer.allocate(BLOCK);
        of.memory().copyOut(of.ring(0).dataAt(slot), out);
        return out.array();
    }

    private void answered(int... slots) throws IOException {
        boolean[] seen = new boolean[16];
        for (int i = 0; i < slots.length; ) {
            int slot = front.ring(0).poll();
            if (slot < 0) {
                assertThat(front.ring(0).await(WAIT_MS)).isTrue();
                continue;
            }
            assertThat(front.ring(0).status(slot)).isZero();
            assertThat(seen[slot]).isFalse();
            seen[slot] = true;
            i++;
        }
        for (int slot : slots) {
            assertThat(seen[slot]).as("slot %s", slot).isTrue();
        }
    }

    /// Its front end is answered and keeps its connection; the guest's memory stays as it is; and
    /// when the guest goes on, the same requests do, but not before the device has ended the first
    /// ones.
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aGuestIsStoppedWithoutAMajorityAndGoesOnWithOne(boolean anotherFrontEnd) throws Exception {
        submitBoth();
        assertThat(front.stop(0)).isEqualTo(2);
        assertThat(server.counters().stalled()).isEqualTo(1);
        assertThat(server.counters().protocolErrors()).isZero();
        // Part of the guest is used for something else meanwhile: it has been reset.
        fill(front, 2, 9);

        if (anotherFrontEnd) {
            front.connect(socket);
        } else {
            front.goOn();
        }
        assertThat(front.config(0, 8).getLong(0)).isEqualTo(MIB / 512);
        front.ring(0).submit(3, Job.OUT, 16, BLOCK);
        front.ring(0).kick();
        assertThat(front.ring(0).await(200)).isFalse();
        assertThat(asked).as("nothing new beside what is under way").hasValue(2);

        CompletableFuture<Void> write = held.remove();
        CompletableFuture<Void> read = held.remove();
        read.complete(null);
        assertThat(data(front, 2)).as("a late read").containsOnly(9);
        assertThat(asked).hasValue(2);
        device.gate(null);
        write.complete(null);
        answered(1, 2, 3);
        assertThat(data(front, 2)).containsOnly(1);
        ByteBuffer out = ByteBuffer.allocate(BLOCK);
        assertThat(device.tryRead(BLOCK, out)).isTrue();
        assertThat(out.array()).containsOnly(2);
        assertThat(server.counters().resubmitted()).isEqualTo(2);
    }

    /// With several rings: all are given up with the first, so that a stop takes no longer.
    @Test
    void allRingsOfAGuestAreGivenUpAtOnce() throws Exception {
        front.close();
        assertThat(server.awaitNoPeer(WAIT_MS)).isTrue();
        front = new FrontEnd(FrontEnd.Options.of(3, 16, BLOCK));
        front.connect(socket);
        for (int ring = 0; ring < 2; ring++) {
            front.ring(ring).submit(1, Job.OUT, 8 + 8L * ring, BLOCK);
            front.ring(ring).kick();
        }
        await().until(() -> asked.get() == 2);
        for (int ring = 0; ring < 3; ring++) {
            assertThat(front.stop(ring)).isEqualTo(ring < 2 ? 1 : 0);
        }
        assertThat(server.counters().stalled()).isEqualTo(1);
        front.goOn();
        front.ring(2).submit(0, Job.FLUSH, 0, 0);
        front.ring(2).kick();
        assertThat(front.ring(2).await(200)).as("nothing begins").isFalse();
        assertThat(asked).hasValue(2);
        releaseAll();
        for (int ring = 0; ring < 3; ring++) {
            assertThat(front.ring(ring).await(WAIT_MS)).isTrue();
            int slot = front.ring(ring).poll();
            assertThat(slot).isEqualTo(ring < 2 ? 1 : 0);
            assertThat(front.ring(ring).status(slot)).isZero();
        }
        assertThat(front.ring(0).run(Job.IN, 8, BLOCK, WAIT_MS)).isZero();
        assertThat(server.counters().resubmitted()).isEqualTo(2);
    }

    /// Nothing would know of the requests then.
    @Test
    void aRingThatNobodyTracksIsWaitedFor() throws Exception {
        front.close();
        assertThat(server.awaitNoPeer(WAIT_MS)).isTrue();
        front =
                new FrontEnd(
                        new FrontEnd.Options(
                                1,
                                16,
                                BLOCK,
                                OPTIONS.features(),
                                Features.PROTOCOL & ~Features.PROTOCOL_INFLIGHT_SHMFD));
        front.connect(socket);
        submitBoth();
        CompletableFuture<Integer> stopped = stopElsewhere();
        await().during(java.time.Duration.ofMillis(2 * DRAIN_MS)).until(() -> !stopped.isDone());
        releaseAll();
        assertThat(stopped.join()).isEqualTo(2);
        answered(1, 2);
    }

    private CompletableFuture<Integer> stopElsewhere() {
        return CompletableFuture.supplyAsync(() -> {
            try {
                return front.stop(0);
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        });
    }

    @Test
    void aQemuThatIsKilledWhileItStopsFreesTheSocketForTheNext() throws Exception {
        server.close();
        server = serve(10L * WAIT_MS);
        front.connect(socket);
        submitBoth();
        front.send(Request.GET_VRING_BASE, new Payload.RingState(0, 0));
        front.close();
        front = new FrontEnd(OPTIONS);
        await().atMost(java.time.Duration.ofMillis(WAIT_MS))
                .ignoreExceptionsInstanceOf(IOException.class)
                .until(() -> {
                    front.connect(socket);
                    return true;
                });
        front.ring(0).submit(3, Job.IN, 8, BLOCK);
        front.ring(0).kick();
        assertThat(front.ring(0).await(100)).isFalse();
        assertThat(asked).hasValue(2);
        releaseAll();
        answered(3);
        assertThat(data(front, 3)).as("what the dead one wrote").containsOnly(2);
        assertThat(server.counters().stalled()).isZero();
    }

    /// Whoever goes on with the guest elsewhere knows nothing of what is in flight here.
    @Test
    void aLiveMigrationWaitsUntilNothingIsInFlight() throws Exception {
        submitBoth();
        int fd = NativeMemory.memfd("log", 4096);
        front.send(Request.SET_LOG_BASE, new Payload.LogArea(4096, 0), fd);
        front.reply(Request.SET_LOG_BASE, new int[0]);
        Native.close(fd);
        front.send(Request.SET_FEATURES, new Payload.Number(Features.WRITABLE));
        CompletableFuture<Integer> stopped = stopElsewhere();
        await().during(java.time.Duration.ofMillis(3 * DRAIN_MS)).until(() -> !stopped.isDone());
        releaseAll();
        assertThat(stopped.join()).isEqualTo(2);
        answered(1, 2);
        assertThat(data(front, 2)).containsOnly(1);
    }
}
