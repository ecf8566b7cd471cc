package io.cistern.vmdisk.vhost;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// The buffers of one request as the guest described them: first those to read, then those to
/// write. The description is a copy; the guest cannot change it any more. Reused; for one thread.
final class Chain {
    /// Most buffers of one request: far more than a guest uses that keeps to `seg_max`.
    static final int MAX_SEGMENTS = 1024;

    private final long[] addresses = new long[MAX_SEGMENTS];
    private final long[] lengths = new long[MAX_SEGMENTS];
    private int count;
    private int readable;
    private long readableBytes;
    private long writableBytes;

    void clear() {
        count = 0;
        readable = 0;
        readableBytes = 0;
        writableBytes = 0;
    }

    /// @throws VhostException where there are too many, or a buffer to read follows one to write
    void add(long address, long length, boolean writable) throws VhostException {
        if (count == MAX_SEGMENTS) {
            throw new VhostException("a request of more than " + MAX_SEGMENTS + " buffers");
        }
        if (writable) {
            writableBytes += length;
        } else {
            if (readable < count) {
                throw new VhostException("a request with a buffer to read behind one to write");
            }
            readable++;
            readableBytes += length;
        }
        addresses[count] = address;
        lengths[count] = length;
        count++;
    }

    long readableBytes() {
        return readableBytes;
    }

    long writableBytes() {
        return writableBytes;
    }

    /// Copies bytes that the guest wrote.
    ///
    /// @param from where in the readable part
    void copyOut(GuestMemory memory, long from, ByteBuffer dst) throws VhostException {
        long skip = from;
        for (int i = 0; i < readable && dst.hasRemaining(); i++) {
            if (skip >= lengths[i]) {
                skip -= lengths[i];
                continue;
            }
            int n = (int) Math.min(lengths[i] - skip, dst.remaining());
            fetch(memory, addresses[i] + skip, dst.slice(dst.position(), n));
            dst.position(dst.position() + n);
            skip = 0;
        }
    }

    /// Copies bytes for the guest.
    ///
    /// @param from where in the writable part
    void copyIn(GuestMemory memory, long from, ByteBuffer src) throws VhostException {
        long skip = from;
        for (int i = readable; i < count && src.hasRemaining(); i++) {
            if (skip >= lengths[i]) {
                skip -= lengths[i];
                continue;
            }
            int n = (int) Math.min(lengths[i] - skip, src.remaining());
            store(memory, addresses[i] + skip, src.slice(src.position(), n));
            src.position(src.position() + n);
            skip = 0;
        }
    }

    /// Marks the first `length` bytes of the writable part, and its last byte.
    void mark(DirtyLog log, long length) throws VhostException {
        long left = length;
        for (int i = readable; i < count; i++) {
            long n = Math.min(left, lengths[i]);
            log.mark(addresses[i], n);
            left -= n;
            if (i == count - 1 || left <= 0) {
                break;
            }
        }
        if (writableBytes > 0) {
            log.mark(lastWritable(), 1);
        }
    }

    /// The guest address of the last byte to write.
    private long lastWritable() {
        int last = count - 1;
        while (last > readable && lengths[last] == 0) {
            last--;
        }
        return addresses[last] + lengths[last] - 1;
    }

    /// Sets the last byte to write: the status, whatever the framing.
    void setStatus(GuestMemory memory, byte status) throws VhostException {
        long address = lastWritable();
        GuestMemory.Region region = region(memory, address);
        region.memory().setByte(region.offset() + address - region.guest(), status);
    }

    /// The writable part's first `length` bytes where they are one piece of memory that cannot
    /// shrink; null where they are not.
    @Nullable ByteBuffer direct(GuestMemory memory, int length) throws VhostException {
        if (readable >= count || lengths[readable] < length) {
            return null;
        }
        long address = addresses[readable];
        GuestMemory.Region region = region(memory, address);
        long at = address - region.guest();
        if (!region.memory().cannotShrink() || length > region.size() - at) {
            return null;
        }
        return region.memory().view(region.offset() + at, length);
    }

    private static void fetch(GuestMemory memory, long address, ByteBuffer dst)
            throws VhostException {
        long at = address;
        while (dst.hasRemaining()) {
            GuestMemory.Region region = region(memory, at);
            long offset = at - region.guest();
            int n = (int) Math.min(region.size() - offset, dst.remaining());
            region.memory().copyOut(region.offset() + offset, dst.slice(dst.position(), n));
            dst.position(dst.position() + n);
            at += n;
        }
    }

    private static void store(GuestMemory memory, long address, ByteBuffer src)
            throws VhostException {
        long at = address;
        while (src.hasRemaining()) {
            GuestMemory.Region region = region(memory, at);
            long offset = at - region.guest();
            int n = (int) Math.min(region.size() - offset, src.remaining());
            region.memory().copyIn(region.offset() + offset, src.slice(src.position(), n));
            src.position(src.position() + n);
            at += n;
        }
    }

    private static GuestMemory.Region region(GuestMemory memory, long address)
            throws VhostException {
        GuestMemory.Region region = memory.guestRegion(address);
        if (region == null) {
            throw new VhostException(
                    "a buffer at 0x" + Long.toHexString(address) + " is not in the guest's memory");
        }
        return region;
    }
}
