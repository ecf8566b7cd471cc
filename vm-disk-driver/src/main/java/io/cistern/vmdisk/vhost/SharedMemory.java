package io.cistern.vmdisk.vhost;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// Memory shared with another process: the only class of this package that touches memory which
/// Java does not own.
///
/// Why that is safe:
///
/// * *Bounds.* The segment covers exactly the bytes that were mapped, and the mapping was made only
///   after the file was seen to be that long. Every access goes through that segment, which checks
///   it; an offset from outside it is an IndexOutOfBoundsException, whatever the other process has
///   written into rings and descriptors.
/// * *Lifetime.* A mapping is counted: whoever may still touch it holds it ([#retain], [#release]),
///   and it is unmapped when the last one lets go. Removing a region therefore does not pull it
///   from under requests. A [#view] is used only by somebody who holds the mapping. A guest that
///   does not wait for its reads any more gets its memory back by [#forsake].
/// * *Shrinking.* If the other process makes the file shorter, touching what is gone raises SIGBUS,
///   which the JVM turns into an InternalError in the thread that did it, at once or shortly after.
///   So only a ring's own thread copies to and from memory that can shrink, and it takes an
///   InternalError as the end of its connection. Only where the file is sealed against shrinking
///   ([#cannotShrink]) is a [#view] handed to the device, whose threads serve other guests as well.
/// * *Races.* The other process may change any byte at any time. Whatever is checked is read once,
///   into Java's own variables, and used from there.
///
/// Offsets count from the beginning of the mapping. Multi-byte values are little endian; those that
/// are read or written with an order are naturally aligned.
public final class SharedMemory {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle SHORTS = SHORT.withByteAlignment(Short.BYTES).varHandle();
    private static final VarHandle INTS = INT.withByteAlignment(Integer.BYTES).varHandle();
    private static final VarHandle BYTES = ValueLayout.JAVA_BYTE.varHandle();
    private static final int PAGE_BYTES = 4096;

    private final MemorySegment segment;
    private final boolean cannotShrink;

    // Guarded by this.
    private int holders = 1;

    private SharedMemory(MemorySegment segment, boolean cannotShrink) {
        this.segment = segment;
        this.cannotShrink = cannotShrink;
    }

    /// Maps the first `bytes` of a file. The caller holds the mapping; the descriptor is not needed
    /// any more.
    ///
    /// @throws IOException where it is no file of at least that size, or cannot be mapped
    public static SharedMemory map(int fd, long bytes) throws IOException {
        long size = NativeMemory.size(fd);
        if (bytes <= 0 || bytes > size) {
            throw new VhostException(
                    "cannot map " + bytes + " bytes of a file that has " + size + " bytes");
        }
        boolean sealed = NativeMemory.cannotShrink(fd);
        long address = NativeMemory.map(fd, bytes);
        return new SharedMemory(MemorySegment.ofAddress(address).reinterpret(bytes), sealed);
    }

    /// Another mapping of the same pages, which the caller holds. Not after [#forsake].
    ///
    /// @throws IOException where the kernel refuses it
    synchronized SharedMemory again() throws IOException {
        if (holders == 0) {
            throw new IllegalStateException("unmapped");
        }
        long bytes = segment.byteSize();
        long address = NativeMemory.mapAgain(segment.address(), bytes);
        return new SharedMemory(MemorySegment.ofAddress(address).reinterpret(bytes), cannotShrink);
    }

    long bytes() {
        return segment.byteSize();
    }

    boolean cannotShrink() {
        return cannotShrink;
    }

    /// @throws IllegalStateException where nobody holds it any more
    synchronized void retain() {
        if (holders == 0) {
            throw new IllegalStateException("unmapped");
        }
        holders++;
    }

    /// Lets go of the mapping; the last to do so unmaps it.
    public void release() {
        synchronized (this) {
            if (holders == 0) {
                throw new IllegalStateException("released too often");
            }
            if (--holders > 0) {
                return;
            }
        }
        try {
            NativeMemory.unmap(segment.address(), segment.byteSize());
        } catch (IOException e) {
            // The address and the length are those of the mapping: the kernel cannot refuse.
            throw new IllegalStateException(e);
        }
    }

    /// Puts private memory in the place of the other process's: from here on whoever still holds
    /// the mapping reads and writes bytes that nobody else sees. Any thread may call it, at any
    /// time.
    void forsake() {
        synchronized (this) {
            if (holders == 0) {
                return;
            }
            try {
                NativeMemory.replaceByPrivate(segment.address(), segment.byteSize());
            } catch (IOException e) {
                // Nothing is written for it to be charged for: only a kernel that is out of its own
                // memory refuses, and then nothing can be promised to the guest any more.
                throw new IllegalStateException("cannot take the guest's memory away", e);
            }
        }
    }

    public byte getByte(long offset) {
        return segment.get(ValueLayout.JAVA_BYTE, offset);
    }

    public void setByte(long offset, byte value) {
        segment.set(ValueLayout.JAVA_BYTE, offset, value);
    }

    public int getShort(long offset) {
        return Short.toUnsignedInt(segment.get(SHORT, offset));
    }

    public void setShort(long offset, int value) {
        segment.set(SHORT, offset, (short) value);
    }

    public int getInt(long offset) {
        return segment.get(INT, offset);
    }

    public void setInt(long offset, int value) {
        segment.set(INT, offset, value);
    }

    public long getLong(long offset) {
        return segment.get(LONG, offset);
    }

    public void setLong(long offset, long value) {
        segment.set(LONG, offset, value);
    }

    /// What was written before the value was is seen after this.
    public int getShortAcquire(long offset) {
        return Short.toUnsignedInt((short) SHORTS.getAcquire(segment, offset));
    }

    /// Whoever sees the value sees what was written before.
    public void setShortRelease(long offset, int value) {
        SHORTS.setRelease(segment, offset, (short) value);
    }

    void setByteRelease(long offset, byte value) {
        BYTES.setRelease(segment, offset, value);
    }

    /// Sets bits of a byte, as one step with respect to other processes.
    ///
    /// The step is taken on the 32-bit word around it, or, at the very end of an area whose size is
    /// no multiple of four, not possible: such areas are not made.
    void orByte(long offset, int bits) {
        long word = offset & -4;
        int shift = (int) (offset & 3) * 8;
        int _ = (int) INTS.getAndBitwiseOr(segment, word, (bits & 0xff) << shift);
    }

    /// Copies `dst.remaining()` bytes out; `dst` is filled.
    void copyOut(long offset, ByteBuffer dst) {
        int length = dst.remaining();
        MemorySegment.copy(segment, offset, MemorySegment.ofBuffer(dst), 0, length);
        dst.position(dst.limit());
    }

    /// Copies `src.remaining()` bytes in; `src` is used up.
    void copyIn(long offset, ByteBuffer src) {
        int length = src.remaining();
        MemorySegment.copy(MemorySegment.ofBuffer(src), 0, segment, offset, length);
        src.position(src.limit());
    }

    /// The memory itself, for as long as the caller holds the mapping.
    public ByteBuffer view(long offset, int length) {
        return segment.asSlice(offset, length).asByteBuffer();
    }

    /// Reads a byte of every page of a range, so that a fault happens here or not at all.
    int touch(long offset, long length) {
        int sum = 0;
        for (long at = offset; at < offset + length; at += PAGE_BYTES) {
            sum += getByte(at);
        }
        return length > 0 ? sum + getByte(offset + length - 1) : sum;
    }
}
