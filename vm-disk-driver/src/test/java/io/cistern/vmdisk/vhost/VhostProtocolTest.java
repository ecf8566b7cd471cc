package io.cistern.vmdisk.vhost;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.MemoryBlockDevice;
import io.cistern.block.MemoryBlockDevice.Operation;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What the documents leave to front ends and drivers that are not QEMU and Linux.
@Timeout(60)
class VhostProtocolTest {
    private static final int MIB = 1 << 20;
    private static final int WAIT_MS = 20_000;
    private static final int NEXT = 1;
    private static final int WRITE = 2;
    private static final int INDIRECT = 4;
    private static final long NO_FD = 1 << 8;

    @TempDir Path directory = Path.of("");

    private MemoryBlockDevice device = new MemoryBlockDevice(MIB);
    private Path socket = Path.of("");
    private VhostServer server = placeholder();
    private FrontEnd front = placeholder();

    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
    private static <T> T placeholder() {
        return null;
    }

    @BeforeEach
    void connect() throws IOException {
        device = new MemoryBlockDevice(MIB);
        socket = directory.resolve("v");
        server = serve(false);
        front = new FrontEnd(FrontEnd.Options.of(1, 16, 16384));
        front.connect(socket);
    }

    private VhostServer serve(boolean readOnly) {
        return VhostServer.open(
                new Target("v", device, readOnly),
                socket,
                new Buffers(8 * MIB),
                VhostServer.defaultPollNanos());
    }

    @AfterEach
    void close() {
        front.close();
        server.close();
    }

    /// Sends a request that is to be acknowledged.
    private long acknowledged(Request request, Payload payload, int... fds) throws IOException {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(Message.HEADER_BYTES + payload.bytes())
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putInt(request.number)
                        .putInt(Message.VERSION | Message.FLAG_NEED_REPLY)
                        .putInt(payload.bytes());
        payload.encode(bytes);
        front.sendRaw(bytes.flip(), fds);
        return ((Payload.Number) front.reply(request, new int[0])).value();
    }

    private static Payload.Config piece(int offset, int flags, int... bytes) {
        ByteBuffer content = ByteBuffer.allocate(bytes.length);
        for (int value : bytes) {
            content.put((byte) value);
        }
        return new Payload.Config(offset, flags, content.flip());
    }

    @Test
    void aFailureIsAcknowledgedBeforeTheConnectionEnds() throws IOException {
        Payload.Region none = new Payload.Region(1L << 40, 4096, 1L << 41, 0);
        assertThat(acknowledged(Request.SET_OWNER, Payload.Empty.INSTANCE)).isZero();
        assertThat(acknowledged(Request.REM_MEM_REG, new Payload.MemoryRegion(none))).isNotZero();
        assertThat(front.closed(WAIT_MS)).isTrue();
        assertThat(server.counters().protocolErrors()).isEqualTo(1);
    }

    @Test
    void aPieceOfConfigurationThatIsNotThereIsAnsweredWithNothing() throws IOException {
        front.send(Request.GET_CONFIG, new Payload.Config(250, 0, ByteBuffer.allocate(60)));
        ByteBuffer header =
                ByteBuffer.allocateDirect(Message.HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        long address = MemorySegment.ofBuffer(header).address();
        assertThat((int) Native.receive(front.fd(), address, header.capacity(), new int[0]))
                .isEqualTo(header.capacity());
        assertThat(header.getInt(0)).isEqualTo(Request.GET_CONFIG.number);
        assertThat(header.getInt(8)).as("bytes of payload").isZero();
        assertThat(front.config(0, 8).getLong(0)).isEqualTo(MIB / 512);
    }

    @Test
    void onlyTheWriteCacheIsSetAndTheRestIsRefusedOrBroughtByAMigration() throws IOException {
        assertThat(acknowledged(Request.SET_CONFIG, piece(0, 0, 1, 2, 3, 4, 5, 6, 7, 8)))
                .as("a capacity")
                .isNotZero();
        assertThat(acknowledged(Request.SET_CONFIG, piece(32, 2, 0))).as("flags").isNotZero();
        assertThat(acknowledged(Request.SET_CONFIG, piece(-1, 1, 0, 0))).isNotZero();
        assertThat(front.config(32, 1).get(0)).isEqualTo((byte) 1);
        assertThat(acknowledged(Request.SET_CONFIG, piece(32, 0, 0))).isZero();
        assertThat(front.config(32, 1).get(0)).isZero();

        int[] all = new int[60];
        all[BlockConfig.WRITEBACK_OFFSET] = 1;
        assertThat(acknowledged(Request.SET_CONFIG, piece(0, 1, all))).isZero();
        assertThat(front.config(0, 60).getLong(0)).as("capacity").isEqualTo(MIB / 512);
        assertThat(front.config(32, 1).get(0)).isEqualTo((byte) 1);
        assertThat(front.ring(0).run(Job.FLUSH, 0, 0, WAIT_MS)).isZero();
        assertThat(server.counters().protocolErrors()).isZero();
    }

    @Test
    void anIndirectTableMayLieAnywhereBehindOtherBuffersAndItsWriteFlagIsIgnored()
            throws IOException {
        GuestRing ring = front.ring(0);
        long header = ring.dataAt(1);
        long data = ring.dataAt(2);
        long table = ring.dataAt(3) + 5;
        header(header, Job.OUT, 2);
        front.memory().copyIn(data, ByteBuffer.allocate(512).put(7, (byte) 42).clear());
        long at = ring.descriptorsAt();
        descriptor(at, header, 9, NEXT, 1);
        descriptor(at + 16, header + 9, 7, NEXT, 2);
        descriptor(at + 32, table, 48, INDIRECT | WRITE, 0);
        descriptor(table, data, 512, NEXT, 2);
        descriptor(table + 32, data + 512, 1, WRITE, 0);
        front.memory().setByte(data + 512, (byte) 0xff);
        assertThat(answer()).isEqualTo(1);
        assertThat(front.memory().getByte(data + 512)).isEqualTo(Job.OK);
        ByteBuffer written = ByteBuffer.allocate(512);
        device.read(1024, written).join();
        assertThat(written.get(7)).isEqualTo((byte) 42);
    }

    /// A driver may believe that so many bytes, from the first on, are the device's.
    @Test
    void theUsedLengthCountsWhatWasWrittenWithoutAGap() throws IOException {
        GuestRing ring = front.ring(0);
        long header = ring.dataAt(1);
        long data = ring.dataAt(2);
        long at = ring.descriptorsAt();
        descriptor(at, header, 16, NEXT, 1);

        header(header, Job.IN, 0);
        descriptor(at + 16, data, 1025, WRITE, 0);
        assertThat(answer()).as("a read and its status").isEqualTo(1025);

        header(header, Job.GET_ID, 0);
        assertThat(answer()).as("an identity, and the status far behind it").isEqualTo(20);
        assertThat(front.memory().getByte(data + 1024)).isEqualTo(Job.OK);

        header(header, Job.OUT, 0);
        assertThat(answer()).as("a status alone, at the end").isZero();

        device.gate((operation, offset, length) ->
                operation == Operation.READ
                        ? CompletableFuture.failedFuture(
                                new CisternException(ErrorCode.IO, "broken"))
                        : CompletableFuture.completedFuture(null));
        header(header, Job.IN, 0);
        assertThat(answer()).as("a read that failed").isZero();
        assertThat(front.memory().getByte(data + 1024)).isEqualTo(Job.IOERR);
    }

    @Test
    void buffersOfNoLengthAreNoBuffers() throws IOException {
        GuestRing ring = front.ring(0);
        long header = ring.dataAt(1);
        long data = ring.dataAt(2);
        long at = ring.descriptorsAt();
        header(header, Job.IN, 0);
        descriptor(at, 1L << 45, 0, NEXT, 1);
        descriptor(at + 16, header, 16, NEXT, 2);
        descriptor(at + 32, data, 512, NEXT | WRITE, 3);
        descriptor(at + 48, data + 512, 1, NEXT | WRITE, 4);
        descriptor(at + 64, 1L << 45, 0, WRITE, 0);
        front.memory().setByte(data + 512, (byte) 0xff);
        assertThat(answer()).isEqualTo(513);
        assertThat(front.memory().getByte(data + 512)).isEqualTo(Job.OK);
    }

    @Test
    void aFrontEndMayDoWithoutAllEventDescriptors() throws IOException {
        for (Request each :
                new Request[] {
                    Request.SET_VRING_KICK, Request.SET_VRING_CALL, Request.SET_VRING_ERR
                }) {
            assertThat(acknowledged(each, new Payload.Number(NO_FD))).isZero();
        }
        GuestRing ring = front.ring(0);
        ring.submit(0, Job.IN, 0, 512);
        ring.kick();
        long end = System.nanoTime() + WAIT_MS * 1_000_000L;
        while (ring.poll() < 0) {
            assertThat(System.nanoTime()).isLessThan(end);
            Thread.onSpinWait();
        }
        assertThat(ring.status(0)).isZero();
    }

    @Test
    void aRingIsDisabledAtFirstWhereProtocolFeaturesWereNegotiatedAndElseEnabled()
            throws IOException {
        long features = Features.WRITABLE & ~Features.LOG_ALL;
        for (long negotiated : new long[] {features, features & ~Features.PROTOCOL_FEATURES}) {
            front.close();
            front = new FrontEnd(new FrontEnd.Options(1, 16, 16384, negotiated, 0));
            front.open(socket);
            front.negotiate();
            front.shareMemory();
            GuestRing ring = front.ring(0);
            ring.startDisabled();
            ring.submit(0, Job.IN, 0, 512);
            ring.kick();
            if (negotiated == features) {
                assertThat(ring.await(100)).as("answered while disabled").isFalse();
                front.send(Request.SET_VRING_ENABLE, new Payload.RingState(0, 1));
            }
            assertThat(ring.await(WAIT_MS)).isTrue();
            assertThat(ring.poll()).isZero();
            assertThat(ring.status(0)).isZero();
        }
    }

    private void header(long at, int type, long sector) {
        front.memory().setInt(at, type);
        front.memory().setLong(at + 8, sector);
    }

    private void descriptor(long at, long address, int length, int flags, int next) {
        front.memory().setLong(at, address);
        front.memory().setInt(at + 8, length);
        front.memory().setShort(at + 12, flags);
        front.memory().setShort(at + 14, next);
    }

    /// Offers head 0.
    ///
    /// @return the used length
    private int answer() throws IOException {
        GuestRing ring = front.ring(0);
        int before = front.memory().getShort(ring.usedAt() + 2);
        ring.offer(0);
        ring.forceKick();
        assertThat(ring.await(WAIT_MS)).isTrue();
        assertThat(ring.poll()).isZero();
        return front.memory().getInt(ring.usedAt() + 8 + 8L * (before % 16));
    }
}
