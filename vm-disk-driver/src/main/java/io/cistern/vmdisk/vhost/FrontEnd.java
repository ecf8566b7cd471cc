package io.cistern.vmdisk.vhost;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The other side of the protocol, as QEMU and a guest's driver are together: for tests and
/// measurements of back ends. For one thread, but that each ring may have one of its own.
///
/// The guest's memory is one region at guest address 0; requests have fixed places in it, see
/// [GuestRing].
public final class FrontEnd implements AutoCloseable {
    /// What the memory's first byte is called in messages.
    static final long USER_BASE = 0x7f00_0000_0000L;

    private static final int HEADER_BYTES = Message.HEADER_BYTES;

    private final Options options;
    private final int memfd;
    private final SharedMemory memory;
    private final List<GuestRing> rings = new ArrayList<>();
    private int fd = -1;
    private int inflightFd = -1;
    private Payload.@Nullable Inflight inflight;

    /// @param queueSize a power of two; each ring has as many requests at a time
    /// @param slotBytes largest request
    /// @param features of the device, to be negotiated
    /// @param protocolFeatures likewise
    public record Options(
            int queues, int queueSize, int slotBytes, long features, long protocolFeatures) {
        /// All that the back end in this package offers for a writable device, but dirty logging.
        public static Options of(int queues, int queueSize, int slotBytes) {
            return new Options(
                    queues,
                    queueSize,
                    slotBytes,
                    Features.WRITABLE & ~Features.LOG_ALL,
                    Features.PROTOCOL);
        }
    }

    /// Makes the memory; nothing is connected yet.
    public FrontEnd(Options options) throws IOException {
        this.options = options;
        long ringBytes = GuestRing.bytes(options);
        long bytes = ringBytes * options.queues;
        this.memfd = NativeMemory.memfd("cistern-guest", bytes);
        this.memory = SharedMemory.map(memfd, bytes);
        for (int i = 0; i < options.queues; i++) {
            rings.add(new GuestRing(this, i, i * ringBytes));
        }
    }

    public GuestRing ring(int index) {
        return rings.get(index);
    }

    Options options() {
        return options;
    }

    SharedMemory memory() {
        return memory;
    }

    int memfd() {
        return memfd;
    }

    int fd() {
        return fd;
    }

    // ---- messages

    /// Connects, negotiates, shares the memory and starts all rings. Again after the back end has
    /// gone: what was in flight then goes on.
    public void connect(Path socket) throws IOException {
        open(socket);
        negotiate();
        shareMemory();
        if ((options.protocolFeatures & Features.PROTOCOL_INFLIGHT_SHMFD) != 0) {
            shareInflight();
        }
        for (GuestRing ring : rings) {
            ring.start();
        }
    }

    /// Starts all rings again on the same connection, as QEMU does when a stopped guest goes on.
    void goOn() throws IOException {
        shareInflight();
        for (GuestRing ring : rings) {
            ring.start();
        }
    }

    void open(Path socket) throws IOException {
        Native.close(fd);
        fd = Native.connect(socket.toString());
    }

    void negotiate() throws IOException {
        long offered = number(Request.GET_FEATURES);
        require(options.features, offered);
        long protocol = number(Request.GET_PROTOCOL_FEATURES);
        require(options.protocolFeatures, protocol);
        send(Request.SET_PROTOCOL_FEATURES, new Payload.Number(options.protocolFeatures));
        send(Request.SET_OWNER, Payload.Empty.INSTANCE);
        send(Request.SET_FEATURES, new Payload.Number(options.features));
    }

    private static void require(long wanted, long offered) throws VhostException {
        if ((wanted & ~offered) != 0) {
            throw new VhostException(
                    "the back end does not offer 0x" + Long.toHexString(wanted & ~offered));
        }
    }

    Payload.Region region() {
        return new Payload.Region(0, memory.bytes(), USER_BASE, 0);
    }

    void shareMemory() throws IOException {
        if ((options.protocolFeatures & Features.PROTOCOL_CONFIGURE_MEM_SLOTS) != 0) {
            send(Request.ADD_MEM_REG, new Payload.MemoryRegion(region()), memfd);
        } else {
            send(Request.SET_MEM_TABLE, new Payload.MemoryTable(List.of(region())), memfd);
        }
    }

    private void shareInflight() throws IOException {
        Payload.Inflight known = inflight;
        if (known == null) {
            Payload.Inflight wanted =
                    new Payload.Inflight(0, 0, options.queues, options.queueSize, 24);
            send(Request.GET_INFLIGHT_FD, wanted);
            int[] fds = {-1};
            known = (Payload.Inflight) reply(Request.GET_INFLIGHT_FD, fds);
            inflightFd = fds[0];
            inflight = known;
        }
        send(Request.SET_INFLIGHT_FD, known, inflightFd);
    }

    /// Asks a question whose answer is a number.
    long number(Request request) throws IOException {
        send(request, Payload.Empty.INSTANCE);
        return ((Payload.Number) reply(request, new int[0])).value();
    }

    /// Stops a ring; returns when all that it had taken is answered.
    ///
    /// @return where it would go on
    public int stop(int ring) throws IOException {
        send(Request.GET_VRING_BASE, new Payload.RingState(ring, 0));
        return ((Payload.RingState) reply(Request.GET_VRING_BASE, new int[0])).value();
    }

    /// Bytes of the configuration space.
    public ByteBuffer config(int offset, int length) throws IOException {
        send(Request.GET_CONFIG, new Payload.Config(offset, 0, ByteBuffer.allocate(length)));
        return ((Payload.Config) reply(Request.GET_CONFIG, new int[0]))
                .content()
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    void send(Request request, Payload payload, int... fds) throws IOException {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(HEADER_BYTES + payload.bytes())
                        .order(ByteOrder.LITTLE_ENDIAN);
        bytes.putInt(request.number).putInt(Message.VERSION).putInt(payload.bytes());
        payload.encode(bytes);
        sendRaw(bytes.flip(), fds);
    }

    /// Sends what need not be a message.
    void sendRaw(ByteBuffer direct, int... fds) throws IOException {
        long address = MemorySegment.ofBuffer(direct).address();
        int sent = Native.send(fd, address, direct.remaining(), fds);
        while (sent < direct.remaining()) {
            sent += Native.send(fd, address + sent, direct.remaining() - sent, new int[0]);
        }
    }

    /// Reads the answer to a request.
    ///
    /// @param fds gets the descriptors that come with it
    Payload reply(Request request, int[] fds) throws IOException {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(HEADER_BYTES + Message.MAX_PAYLOAD_BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN);
        receive(bytes.limit(HEADER_BYTES), fds);
        int size = bytes.getInt(8);
        if (bytes.getInt(0) != request.number
                || bytes.getInt(4) != (Message.VERSION | Message.FLAG_REPLY)
                || size < 0
                || size > Message.MAX_PAYLOAD_BYTES) {
            throw new VhostException(
                    "expected the answer to " + request + ", got " + bytes.getInt(0));
        }
        receive(bytes.clear().limit(size), new int[0]);
        ByteBuffer in = bytes.flip().order(ByteOrder.LITTLE_ENDIAN);
        return switch (request) {
            case GET_VRING_BASE -> Payload.RingState.decode(in);
            case GET_CONFIG -> Payload.Config.decode(in);
            case GET_INFLIGHT_FD -> Payload.Inflight.decode(in);
            default -> Payload.Number.decode(in);
        };
    }

    private void receive(ByteBuffer into, int[] fds) throws IOException {
        long address = MemorySegment.ofBuffer(into).address();
        int at = 0;
        int length = into.remaining();
        while (at < length) {
            int n = (int) Native.receive(fd, address + at, length - at, at == 0 ? fds : new int[0]);
            if (n == 0) {
                throw new VhostException("the back end closed the connection");
            }
            at += n;
        }
        into.position(length);
    }

    /// Waits for the back end to close the connection.
    ///
    /// @return false where it sends something instead, or does not close within `millis`
    boolean closed(int millis) throws IOException {
        ByteBuffer one = ByteBuffer.allocateDirect(1);
        if ((Native.await(fd, -1, millis) & 1) == 0) {
            return false;
        }
        try {
            long address = MemorySegment.ofBuffer(one).address();
            return (int) Native.receive(fd, address, 1, new int[8]) == 0;
        } catch (IOException reset) {
            return true;
        }
    }

    /// Opens the channel on which the back end makes requests of its own.
    Listener listen() throws IOException {
        int[] pair = Native.pair();
        try {
            send(Request.SET_BACKEND_REQ_FD, Payload.Empty.INSTANCE, pair[1]);
        } finally {
            Native.close(pair[1]);
        }
        return new Listener(pair[0]);
    }

    /// Hears the back end's requests.
    record Listener(int fd) implements AutoCloseable {
        /// The number of the next request.
        int next(int millis) throws IOException {
            if ((Native.await(fd, -1, millis) & 1) == 0) {
                throw new IOException("the back end says nothing");
            }
            ByteBuffer bytes =
                    ByteBuffer.allocateDirect(HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
            long address = MemorySegment.ofBuffer(bytes).address();
            long n = Native.receive(fd, address, HEADER_BYTES, new int[0]);
            if (n != HEADER_BYTES) {
                throw new IOException("a header of " + n + " bytes");
            }
            return bytes.getInt(0);
        }

        @Override
        public void close() {
            Native.close(fd);
        }
    }

    @Override
    public void close() {
        Native.close(fd);
        Native.close(inflightFd);
        Native.close(memfd);
        rings.forEach(GuestRing::free);
        memory.release();
    }
}
