package io.cistern.vmdisk;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/// Direct memory that carries one request's payload and then its reply.
///
/// The first [#HEADROOM] bytes take a reply's header, so that header and data leave in one piece.
/// One thread at a time owns a buffer; handing it on (to the device, to the outbox) is a
/// happens-before edge of whoever takes it.
final class PooledBuffer {
    /// Room before the data, in bytes: at least a structured data chunk's header.
    static final int HEADROOM = 64;

    private final BufferPool pool;
    private final int sizeClass;
    private final ByteBuffer bytes;
    private final long address;

    private int sendFrom;
    private int sendTo;
    private InFlight charged;
    private long chargedBytes;

    PooledBuffer(BufferPool pool, int sizeClass, int dataBytes) {
        this.pool = pool;
        this.sizeClass = sizeClass;
        this.bytes = ByteBuffer.allocateDirect(HEADROOM + dataBytes);
        this.address = MemorySegment.ofBuffer(bytes).address();
        this.charged = InFlight.NONE;
    }

    /// All of it, headroom included. Use absolute indexes or restore position and limit.
    ByteBuffer bytes() {
        return bytes;
    }

    int sizeClass() {
        return sizeClass;
    }

    int capacity() {
        return bytes.capacity();
    }

    /// The data area as a buffer of its own, `length` bytes after the headroom.
    ByteBuffer data(int length) {
        return bytes.slice(HEADROOM, length);
    }

    long addressOf(int index) {
        return address + index;
    }

    /// Remembers what to give back to the connection's limits when this buffer is released.
    void charge(InFlight inFlight, long bytesCharged) {
        charged = inFlight;
        chargedBytes = bytesCharged;
    }

    /// Says which bytes are to be sent: indexes `from` (inclusive) to `to` (exclusive).
    void sendRange(int from, int to) {
        sendFrom = from;
        sendTo = to;
    }

    int sendFrom() {
        return sendFrom;
    }

    int sendBytes() {
        return sendTo - sendFrom;
    }

    /// Ends use of this buffer. Call exactly once.
    void release() {
        InFlight limits = charged;
        long amount = chargedBytes;
        charged = InFlight.NONE;
        chargedBytes = 0;
        pool.giveBack(this);
        limits.release(amount);
    }
}
