package io.cistern.vmdisk.vhost;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
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
/// [Ring].
public final class FrontEnd implements AutoCloseable {
    /// What the memory's first byte is called in messages.
    static final long USER_BASE = 0x7f00_0000_0000L;

    private static final int HEADER_BYTES = Message.HEADER_BYTES;
    private static final int ALIGNMENT = 4096;

    private final Options options;
    private final int memfd;
    private final SharedMemory memory;
    private final List<Ring> rings = new ArrayList<>();
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
        long ringBytes = Ring.bytes(options);
        long bytes = ringBytes * options.queues;
        this.memfd = NativeMemory.memfd("cistern-guest", bytes);
        this.memory = SharedMemory.map(memfd, bytes);
        for (int i = 0; i < options.queues; i++) {
            rings.add(new Ring(i, i * ringBytes));
        }
    }

    public Ring ring(int index) {
        return rings.get(index);
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
        for (Ring ring : rings) {
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
        rings.forEach(Ring::free);
        memory.release();
    }

    /// One ring and its requests: request `slot` has its descriptors in an indirect table of its
    /// own, or, where indirect descriptors were not negotiated, three entries of the ring.
    ///
    /// ```
    /// ring    := descriptors available used          each aligned
    /// slot    := header[16] status[16] table[64]
    /// data    := bytes[slotBytes] for each slot
    /// ```
    public final class Ring {
        private static final int SLOT_BYTES = 96;
        private static final int STATUS_OFFSET = 16;
        private static final int TABLE_OFFSET = 32;
        private static final int DIRECT_DESCRIPTORS = 3;

        private final int index;
        private final int size = options.queueSize;
        private final long descriptors;
        private final long available;
        private final long used;
        private final long slots;
        private final long data;
        private final boolean indirect = (options.features & Features.INDIRECT_DESC) != 0;
        private final boolean eventIndex = (options.features & Features.EVENT_IDX) != 0;
        private int kick = -1;
        private int call = -1;
        private int availableIndex;
        private int kickedIndex;
        private int usedSeen;

        Ring(int index, long base) {
            this.index = index;
            this.descriptors = base;
            this.available = align(descriptors + 16L * size);
            this.used = align(available + 6 + 2L * size);
            this.slots = align(used + 6 + 8L * size);
            this.data = align(slots + (long) SLOT_BYTES * size);
        }

        static long align(long offset) {
            return offset + ALIGNMENT - 1 & -ALIGNMENT;
        }

        static long bytes(Options o) {
            long rings =
                    align(16L * o.queueSize)
                            + align(6 + 2L * o.queueSize)
                            + align(6 + 8L * o.queueSize);
            return rings
                    + align((long) SLOT_BYTES * o.queueSize)
                    + align((long) o.slotBytes * o.queueSize);
        }

        /// Requests that fit at a time.
        public int slots() {
            return indirect ? size : size / DIRECT_DESCRIPTORS;
        }

        Payload.RingAddress address(int flags) {
            return new Payload.RingAddress(
                    index,
                    flags,
                    USER_BASE + descriptors,
                    USER_BASE + used,
                    USER_BASE + available,
                    used);
        }

        long descriptorsAt() {
            return descriptors;
        }

        long availableAt() {
            return available;
        }

        long usedAt() {
            return used;
        }

        /// Where a slot's data is in the guest's memory.
        public long dataAt(int slot) {
            return data + (long) slot * options.slotBytes;
        }

        /// Puts bytes where a slot's data is.
        public void put(int slot, byte[] bytes) throws VhostException {
            memory.copyIn(dataAt(slot), ByteBuffer.wrap(bytes));
        }

        long statusAt(int slot) {
            return slots + (long) SLOT_BYTES * slot + STATUS_OFFSET;
        }

        void start() throws IOException {
            if (kick < 0) {
                kick = Native.eventfd();
                call = Native.eventfd();
            }
            send(Request.SET_VRING_NUM, new Payload.RingState(index, size));
            send(Request.SET_VRING_BASE, new Payload.RingState(index, memory.getShort(used + 2)));
            send(Request.SET_VRING_ADDR, address(0));
            send(Request.SET_VRING_CALL, new Payload.Number(index), call);
            send(Request.SET_VRING_KICK, new Payload.Number(index), kick);
            send(Request.SET_VRING_ENABLE, new Payload.RingState(index, 1));
            Native.signal(kick);
        }

        /// Puts a request into the ring. Seen by the back end after [#kick].
        ///
        /// @param bytes of data, in the slot's place
        public void submit(int slot, int type, long sector, int bytes) {
            long at = slots + (long) SLOT_BYTES * slot;
            memory.setInt(at, type);
            memory.setInt(at + 4, 0);
            memory.setLong(at + 8, sector);
            memory.setByte(at + STATUS_OFFSET, (byte) 0xff);
            int head = indirect ? slot : DIRECT_DESCRIPTORS * slot;
            boolean toGuest = type == Job.IN || type == Job.GET_ID;
            long table = indirect ? at + TABLE_OFFSET : descriptors + 16L * head;
            int first = indirect ? 0 : head;
            int n = 0;
            descriptor(table, n++, at, 16, 1, first + 1);
            if (bytes > 0) {
                descriptor(table, n++, dataAt(slot), bytes, toGuest ? 3 : 1, first + 2);
            }
            descriptor(table, n++, at + STATUS_OFFSET, 1, 2, 0);
            if (indirect) {
                descriptor(descriptors, head, table, 16 * n, 4, 0);
            }
            offer(head);
        }

        private void descriptor(long table, int i, long address, int length, int flags, int next) {
            long at = table + 16L * i;
            memory.setLong(at, address);
            memory.setInt(at + 8, length);
            memory.setShort(at + 12, flags);
            memory.setShort(at + 14, next);
        }

        /// Puts a head into the available ring.
        void offer(int head) {
            memory.setShort(available + 4 + 2L * (availableIndex & size - 1), head);
            availableIndex = availableIndex + 1 & 0xffff;
        }

        /// Shows the back end what was submitted, and wakes it where it asked for that.
        public void kick() {
            memory.setShortRelease(available + 2, availableIndex);
            VarHandle.fullFence();
            int old = kickedIndex;
            kickedIndex = availableIndex;
            boolean wanted =
                    eventIndex
                            ? SplitRing.passed(
                                    memory.getShort(used + 4 + 8L * size), availableIndex, old)
                            : (memory.getShort(used) & 1) == 0;
            if (wanted) {
                Native.signal(kick);
            }
        }

        /// Starts the ring without saying anything else about it.
        void startUnprepared() throws IOException {
            int event = Native.eventfd();
            send(Request.SET_VRING_KICK, new Payload.Number(index), event);
            Native.close(event);
        }

        /// Wakes the back end.
        void signal() {
            Native.signal(kick);
        }

        /// Kicks whether asked for or not.
        void forceKick() {
            memory.setShortRelease(available + 2, availableIndex);
            Native.signal(kick);
        }

        /// The slot of the next answered request, -1 where none is.
        public int poll() {
            if (memory.getShortAcquire(used + 2) == usedSeen) {
                return -1;
            }
            int head = memory.getInt(used + 4 + 8L * (usedSeen & size - 1));
            usedSeen = usedSeen + 1 & 0xffff;
            return indirect ? head : head / DIRECT_DESCRIPTORS;
        }

        /// A slot's status: 0 for success.
        public int status(int slot) {
            return memory.getByte(slots + (long) SLOT_BYTES * slot + STATUS_OFFSET);
        }

        /// Waits until a request is answered.
        ///
        /// @return false after `millis`
        public boolean await(int millis) throws IOException {
            if (eventIndex) {
                memory.setShort(available + 4 + 2L * size, usedSeen);
            }
            VarHandle.fullFence();
            if (memory.getShortAcquire(used + 2) != usedSeen) {
                return true;
            }
            int ready = Native.await(call, -1, millis);
            if (ready == 0) {
                return false;
            }
            Native.drain(call);
            return true;
        }

        /// Submits one request and waits for its answer.
        ///
        /// @return its status
        public int run(int type, long sector, int bytes, int millis) throws IOException {
            return runIn(0, type, sector, bytes, millis);
        }

        /// As [#run], with that slot.
        int runIn(int with, int type, long sector, int bytes, int millis) throws IOException {
            submit(with, type, sector, bytes);
            kick();
            long end = System.nanoTime() + millis * 1_000_000L;
            int slot = poll();
            while (slot < 0) {
                if (System.nanoTime() > end) {
                    throw new IOException("no answer within " + millis + " ms");
                }
                await(100);
                slot = poll();
            }
            return status(slot);
        }

        private void free() {
            Native.close(kick);
            Native.close(call);
        }
    }
}
