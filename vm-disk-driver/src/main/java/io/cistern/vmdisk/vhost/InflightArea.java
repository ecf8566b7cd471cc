package io.cistern.vmdisk.vhost;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/// One queue's part of the memory that remembers, over the death of this process, which requests
/// were taken from the ring and not answered (vhost-user, "Inflight I/O tracking"). For one thread
/// at a time.
///
/// ```
/// area  := features:u64 version:u16 (1) size:u16 lastBatchHead:u16 usedIndex:u16 state[size]
/// state := inflight:u8 padding:u8[5] next:u16 counter:u64
/// ```
///
/// The front end keeps the memory while no back end is there. A later life believes nothing in it
/// that does not fit.
final class InflightArea {
    private static final int HEAD_BYTES = 16;
    private static final int STATE_BYTES = 16;
    private static final int ALIGNMENT = 64;
    private static final int VERSION = 1;

    private final SharedMemory memory;
    private final long at;
    private final int size;
    private long counter;

    /// @param at where the area begins
    /// @param size of the queue
    InflightArea(SharedMemory memory, long at, int size) {
        this.memory = memory;
        this.at = at;
        this.size = size;
    }

    /// Bytes from one queue's area to the next.
    static long bytes(int queueSize) {
        return HEAD_BYTES + (long) STATE_BYTES * queueSize + ALIGNMENT - 1 & -ALIGNMENT;
    }

    /// @throws VhostException where a front end asks for what cannot be
    static void check(Payload.Inflight asked) throws VhostException {
        if (asked.queues() < 1
                || asked.queues() > Connection.MAX_QUEUES
                || asked.queueSize() < 1
                || asked.queueSize() > SplitRing.MAX_SIZE) {
            throw new VhostException(
                    "tracking of "
                            + asked.queues()
                            + " queues of "
                            + asked.queueSize()
                            + " entries");
        }
    }

    /// Maps the memory of all queues' areas. The caller holds the mapping.
    ///
    /// @param inflightFd is closed
    /// @throws VhostException where it is not as the front end says
    static SharedMemory map(Payload.Inflight given, int inflightFd) throws IOException {
        try {
            check(given);
            long needed = given.queues() * bytes(given.queueSize());
            if (given.mapOffset() < 0
                    || given.mapOffset() > GuestMemory.MAX_ADDRESS
                    || (given.mapOffset() & 7) != 0
                    || given.mapSize() < needed) {
                throw new VhostException("an area of requests in flight that cannot be: " + given);
            }
            return SharedMemory.map(inflightFd, given.mapOffset() + needed);
        } finally {
            Native.close(inflightFd);
        }
    }

    /// Begins, or goes on from what an earlier life left.
    ///
    /// @param usedIndex the ring's
    /// @return heads to submit again, in the order in which they were taken
    /// @throws VhostException where the area is not of this form
    List<Integer> recover(int usedIndex) throws VhostException {
        int version = memory.getShort(at + 8);
        if (version == 0) {
            memory.setShort(at + 10, size);
            memory.setShort(at + 14, usedIndex);
            memory.setShortRelease(at + 8, VERSION);
            return List.of();
        }
        int states = memory.getShort(at + 10);
        if (version != VERSION || states != size) {
            throw new VhostException(
                    "the area of requests in flight has version "
                            + version
                            + " and "
                            + states
                            + " states, for a ring of "
                            + size);
        }
        int batch = usedIndex - memory.getShort(at + 14) & 0xffff;
        if (batch > size) {
            // The guest has begun the ring anew, which it may when nothing is in flight.
            for (int head = 0; head < size; head++) {
                if (memory.getByte(state(head)) == 1) {
                    throw new VhostException("a last batch of " + batch + " in a ring of " + size);
                }
            }
            memory.setShortRelease(at + 14, usedIndex);
            return List.of();
        }
        finishBatch(batch, usedIndex);
        List<Integer> heads = new ArrayList<>();
        for (int head = 0; head < size; head++) {
            if (memory.getByte(state(head)) == 1) {
                heads.add(head);
                counter = Math.max(counter, memory.getLong(state(head) + 8) + 1);
            }
        }
        heads.sort(Comparator.comparingLong(head -> memory.getLong(state(head) + 8)));
        return heads;
    }

    /// The guest has seen the last batch, but its marks may not have been taken back.
    private void finishBatch(int batch, int usedIndex) throws VhostException {
        int head = memory.getShort(at + 12);
        for (int i = 0; i < batch; i++) {
            if (head >= size) {
                throw new VhostException("head " + head + " in flight in a ring of " + size);
            }
            memory.setByte(state(head), (byte) 0);
            head = memory.getShort(state(head) + 6);
        }
        memory.setShortRelease(at + 14, usedIndex);
    }

    /// A head is about to be taken from the ring.
    void take(int head) {
        memory.setLong(state(head) + 8, counter++);
        memory.setByteRelease(state(head), (byte) 1);
    }

    /// A head joins the batch that the guest will see next.
    void batch(int head) {
        memory.setShort(state(head) + 6, memory.getShort(at + 12));
        memory.setShortRelease(at + 12, head);
    }

    /// The guest has seen a head of the batch. All of the batch first, then [#published].
    void clear(int head) {
        memory.setByteRelease(state(head), (byte) 0);
    }

    void published(int usedIndex) {
        memory.setShortRelease(at + 14, usedIndex);
    }

    private long state(int head) {
        return at + HEAD_BYTES + (long) STATE_BYTES * head;
    }
}
