package io.cistern.vmdisk.vhost;

import java.io.IOException;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;

/// One ring and its requests: request `slot` has its descriptors in an indirect table of its own,
/// or, where indirect descriptors were not negotiated, three entries of the ring.
///
/// ```
/// ring    := descriptors available used          each aligned
/// slot    := header[16] status[16] table[64]
/// data    := bytes[slotBytes] for each slot
/// ```
public final class GuestRing {
    private static final int ALIGNMENT = 4096;
    private static final int SLOT_BYTES = 96;
    private static final int STATUS_OFFSET = 16;
    private static final int TABLE_OFFSET = 32;
    private static final int DIRECT_DESCRIPTORS = 3;

    private final FrontEnd front;
    private final SharedMemory memory;
    private final int index;
    private final int size;
    private final int slotBytes;
    private final long descriptors;
    private final long available;
    private final long used;
    private final long slots;
    private final long data;
    private final boolean indirect;
    private final boolean eventIndex;
    private int kick = -1;
    private int call = -1;
    private int availableIndex;
    private int kickedIndex;
    private int usedSeen;

    GuestRing(FrontEnd front, int index, long base) {
        this.front = front;
        this.memory = front.memory();
        FrontEnd.Options options = front.options();
        this.size = options.queueSize();
        this.slotBytes = options.slotBytes();
        this.indirect = (options.features() & Features.INDIRECT_DESC) != 0;
        this.eventIndex = (options.features() & Features.EVENT_IDX) != 0;
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

    static long bytes(FrontEnd.Options o) {
        long rings =
                align(16L * o.queueSize())
                        + align(6 + 2L * o.queueSize())
                        + align(6 + 8L * o.queueSize());
        return rings
                + align((long) SLOT_BYTES * o.queueSize())
                + align((long) o.slotBytes() * o.queueSize());
    }

    /// Requests that fit at a time.
    public int slots() {
        return indirect ? size : size / DIRECT_DESCRIPTORS;
    }

    Payload.RingAddress address(int flags) {
        return new Payload.RingAddress(
                index,
                flags,
                FrontEnd.USER_BASE + descriptors,
                FrontEnd.USER_BASE + used,
                FrontEnd.USER_BASE + available,
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
        return data + (long) slot * slotBytes;
    }

    /// Puts bytes where a slot's data is.
    public void put(int slot, byte[] bytes) throws VhostException {
        memory.copyIn(dataAt(slot), ByteBuffer.wrap(bytes));
    }

    long statusAt(int slot) {
        return slots + (long) SLOT_BYTES * slot + STATUS_OFFSET;
    }

    void start() throws IOException {
        startDisabled();
        front.send(Request.SET_VRING_ENABLE, new Payload.RingState(index, 1));
        Native.signal(kick);
    }

    /// Starts the ring and does not say whether it is enabled.
    void startDisabled() throws IOException {
        if (kick < 0) {
            kick = Native.eventfd();
            call = Native.eventfd();
        }
        front.send(Request.SET_VRING_NUM, new Payload.RingState(index, size));
        front.send(Request.SET_VRING_BASE, new Payload.RingState(index, memory.getShort(used + 2)));
        front.send(Request.SET_VRING_ADDR, address(0));
        front.send(Request.SET_VRING_CALL, new Payload.Number(index), call);
        front.send(Request.SET_VRING_KICK, new Payload.Number(index), kick);
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
        front.send(Request.SET_VRING_KICK, new Payload.Number(index), event);
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

    void free() {
        Native.close(kick);
        Native.close(call);
    }
}
