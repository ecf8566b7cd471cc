package io.cistern.vmdisk.vhost;

import io.cistern.vmdisk.vhost.GuestMemory.Place;
import java.lang.invoke.VarHandle;

/// A split virtqueue seen from the device (VIRTIO 1.2, 2.7). For one thread at a time.
///
/// ```
/// descriptor := address:u64 length:u32 flags:u16 next:u16
/// available  := flags:u16 index:u16 head:u16[size] usedEvent:u16
/// used       := flags:u16 index:u16 (head:u32 length:u32)[size] availableEvent:u16
/// ```
///
/// Order of memory accesses: heads are read after the available index (acquire); used elements are
/// written before the used index (release); between writing `availableEvent` and reading the
/// available index again, and between writing the used index and reading `usedEvent`, stands a full
/// fence, or each side could miss what the other has just done.
final class SplitRing {
    static final int MAX_SIZE = 1024;

    static final int DESCRIPTOR_BYTES = 16;
    private static final int FLAG_NEXT = 1;
    private static final int FLAG_WRITE = 2;
    private static final int FLAG_INDIRECT = 4;
    private static final int NO_INTERRUPT = 1;
    private static final int NO_NOTIFY = 1;
    private static final int RING_HEAD_BYTES = 4;
    private static final int USED_ELEMENT_BYTES = 8;

    private final int size;
    private final boolean eventIndex;
    private final boolean indirect;
    private Place descriptors;
    private Place available;
    private Place used;

    private int lastAvailable;
    private int usedIndex;

    /// The used index when the guest was last told, or could have been.
    private int signalledUsed;

    private boolean signalledUsedKnown;

    /// Where a ring is and what was negotiated about it.
    ///
    /// @param size a power of two
    /// @param features those negotiated
    record Layout(int size, long features, Payload.RingAddress address) {}

    /// @throws VhostException where the ring is not in the memory, or misaligned
    SplitRing(Layout layout, GuestMemory memory) throws VhostException {
        this.size = layout.size;
        this.eventIndex = (layout.features & Features.EVENT_IDX) != 0;
        this.indirect = (layout.features & Features.INDIRECT_DESC) != 0;
        this.descriptors = place(memory, layout.address.descriptors(), descriptorBytes(), 16);
        this.available = place(memory, layout.address.available(), availableBytes(), 2);
        this.used = place(memory, layout.address.used(), usedBytes(), 4);
        this.usedIndex = used.memory().getShortAcquire(used.offset() + 2);
    }

    /// Finds the same ring in another table of the memory.
    ///
    /// @throws VhostException as the constructor; the ring is then as before
    void move(Payload.RingAddress address, GuestMemory memory) throws VhostException {
        Place newDescriptors = place(memory, address.descriptors(), descriptorBytes(), 16);
        Place newAvailable = place(memory, address.available(), availableBytes(), 2);
        used = place(memory, address.used(), usedBytes(), 4);
        descriptors = newDescriptors;
        available = newAvailable;
    }

    private static Place place(GuestMemory memory, long address, long bytes, int alignment)
            throws VhostException {
        if ((address & alignment - 1) != 0) {
            throw new VhostException(
                    "a ring at 0x" + Long.toHexString(address) + " is not aligned");
        }
        Place place = memory.user(address, bytes, "a ring");
        if ((place.offset() & alignment - 1) != 0) {
            throw new VhostException("a ring in memory that is mapped out of alignment");
        }
        return place;
    }

    private long descriptorBytes() {
        return (long) DESCRIPTOR_BYTES * size;
    }

    private long availableBytes() {
        return RING_HEAD_BYTES + 2L * size + (eventIndex ? 2 : 0);
    }

    private long usedBytes() {
        return RING_HEAD_BYTES + (long) USED_ELEMENT_BYTES * size + (eventIndex ? 2 : 0);
    }

    int size() {
        return size;
    }

    /// The next head to take, as the protocol counts: 16 bits.
    int lastAvailable() {
        return lastAvailable;
    }

    void lastAvailable(int index) {
        lastAvailable = index & 0xffff;
    }

    /// Elements used so far, 16 bits.
    int usedIndex() {
        return usedIndex;
    }

    /// How many heads can be taken now.
    ///
    /// @throws VhostException where the guest claims more than there are
    int pending() throws VhostException {
        int index = available.memory().getShortAcquire(available.offset() + 2);
        int pending = index - lastAvailable & 0xffff;
        if (pending > size) {
            throw new VhostException(
                    "the available index jumped by " + pending + " in a ring of " + size);
        }
        return pending;
    }

    /// The next head; there must be one pending. Not taken before [#taken].
    ///
    /// @throws VhostException where it is no descriptor
    int head() throws VhostException {
        long at = available.offset() + RING_HEAD_BYTES + 2L * (lastAvailable & size - 1);
        int head = available.memory().getShort(at);
        if (head >= size) {
            throw new VhostException("head " + head + " in a ring of " + size);
        }
        return head;
    }

    void taken() {
        lastAvailable = lastAvailable + 1 & 0xffff;
    }

    /// Reads the descriptors of a request, each once.
    ///
    /// @throws VhostException where they loop, are nested, or lie outside of the memory
    void read(int head, GuestMemory memory, Chain into) throws VhostException {
        into.clear();
        int index = head;
        for (int i = 0; i < size; i++) {
            long at = descriptors.offset() + (long) DESCRIPTOR_BYTES * index;
            SharedMemory from = descriptors.memory();
            long address = from.getLong(at);
            long length = Integer.toUnsignedLong(from.getInt(at + 8));
            int flags = from.getShort(at + 12);
            if ((flags & FLAG_INDIRECT) != 0) {
                // The device must ignore the write flag here (2.7.5.3.2).
                if (!indirect || (flags & FLAG_NEXT) != 0) {
                    throw new VhostException(
                            "an indirect descriptor with flags " + flags + " is not allowed here");
                }
                readIndirect(address, length, memory, into);
                return;
            }
            into.add(address, length, (flags & FLAG_WRITE) != 0);
            if ((flags & FLAG_NEXT) == 0) {
                return;
            }
            index = from.getShort(at + 14);
            if (index >= size) {
                throw new VhostException("descriptor " + index + " in a ring of " + size);
            }
        }
        throw new VhostException("a loop of descriptors");
    }

    private static void readIndirect(long table, long bytes, GuestMemory memory, Chain into)
            throws VhostException {
        GuestMemory.Region region = memory.guestRegion(table);
        if (bytes == 0 || bytes % DESCRIPTOR_BYTES != 0) {
            throw new VhostException("an indirect table of " + bytes + " bytes");
        }
        int count = (int) Math.min(bytes / DESCRIPTOR_BYTES, Integer.MAX_VALUE);
        if (count > Chain.MAX_SEGMENTS) {
            throw new VhostException("an indirect table of " + count + " descriptors");
        }
        if (region == null || bytes > region.size() - (table - region.guest())) {
            throw new VhostException(
                    "an indirect table at 0x"
                            + Long.toHexString(table)
                            + " is not in the guest's memory");
        }
        SharedMemory from = region.memory();
        long base = region.offset() + table - region.guest();
        int index = 0;
        for (int i = 0; i < count; i++) {
            long at = base + (long) DESCRIPTOR_BYTES * index;
            long address = from.getLong(at);
            long length = Integer.toUnsignedLong(from.getInt(at + 8));
            int flags = from.getShort(at + 12);
            if ((flags & FLAG_INDIRECT) != 0) {
                throw new VhostException("an indirect descriptor within an indirect table");
            }
            into.add(address, length, (flags & FLAG_WRITE) != 0);
            if ((flags & FLAG_NEXT) == 0) {
                return;
            }
            index = from.getShort(at + 14);
            if (index >= count) {
                throw new VhostException("descriptor " + index + " in a table of " + count);
            }
        }
        throw new VhostException("a loop of indirect descriptors");
    }

    /// Writes a used element behind those published. The guest does not see it yet.
    ///
    /// @param ahead how many such there are already
    void use(int head, long length, int ahead) {
        long at = usedElement(usedIndex + ahead);
        used.memory().setInt(at, head);
        used.memory().setInt(at + 4, (int) length);
    }

    /// Shows the guest `count` more used elements.
    void publish(int count) {
        usedIndex = usedIndex + count & 0xffff;
        used.memory().setShortRelease(used.offset() + 2, usedIndex);
    }

    /// Whether the guest is to be told of what was published since it was told last.
    boolean wantsSignal() {
        VarHandle.fullFence();
        if (!eventIndex) {
            return (available.memory().getShort(available.offset()) & NO_INTERRUPT) == 0;
        }
        int event = available.memory().getShort(available.offset() + RING_HEAD_BYTES + 2L * size);
        int old = signalledUsed;
        boolean known = signalledUsedKnown;
        signalledUsed = usedIndex;
        signalledUsedKnown = true;
        return !known || passed(event, usedIndex, old);
    }

    /// True where going from `old` to `now` passed the event (VIRTIO 1.2, 2.7.7.2).
    static boolean passed(int event, int now, int old) {
        return (now - event - 1 & 0xffff) < (now - old & 0xffff);
    }

    /// Asks the guest to kick from now on.
    ///
    /// @return true where something became available before it could know
    boolean arm() throws VhostException {
        if (eventIndex) {
            used.memory()
                    .setShort(usedElement(0) + (long) USED_ELEMENT_BYTES * size, lastAvailable);
        } else {
            used.memory().setShort(used.offset(), 0);
        }
        VarHandle.fullFence();
        return pending() > 0;
    }

    /// Tells the guest that kicks are not needed now.
    void disarm() {
        if (!eventIndex) {
            used.memory().setShort(used.offset(), NO_NOTIFY);
        }
        // With an event index nothing is to be done: the guest passes the old one at most once.
    }

    /// Marks the used ring in the dirty log, from the guest address that stands for it.
    void mark(DirtyLog log, long ringAddress) throws VhostException {
        log.mark(ringAddress, usedBytes());
    }

    private long usedElement(int index) {
        return used.offset()
                + RING_HEAD_BYTES
                + (index == 0 ? 0 : (long) USED_ELEMENT_BYTES * (index & size - 1));
    }
}
