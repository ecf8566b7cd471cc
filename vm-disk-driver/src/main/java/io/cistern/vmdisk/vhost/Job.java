package io.cistern.vmdisk.vhost;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/// One request of the guest, from the ring to its answer. A ring has one per head and uses it again
/// and again. For whoever holds the ring's lock, but for [#accept].
final class Job implements BiConsumer<Object, @Nullable Throwable> {
    static final int IN = 0;
    static final int OUT = 1;
    static final int FLUSH = 4;
    static final int GET_ID = 8;
    static final int DISCARD = 11;
    static final int WRITE_ZEROES = 13;

    static final byte OK = 0;
    static final byte IOERR = 1;
    static final byte UNSUPP = 2;

    private static final int HEADER_BYTES = 16;
    private static final int ID_BYTES = 20;
    private static final int ZERO_SEGMENT_BYTES = 16;
    private static final int MAX_ZERO_BYTES = BlockConfig.MAX_ZERO_SEGMENTS * ZERO_SEGMENT_BYTES;
    private static final int FLAG_UNMAP = 1;

    final int head;
    final Chain chain = new Chain();
    private final RingWorker worker;
    private final ByteBuffer small = ByteBuffer.allocate(HEADER_BYTES);

    /// What it belongs to while in flight.
    RingSetup.@Nullable Hold hold;

    /// In flight now.
    boolean busy;

    int type;
    private long sector;
    int dataBytes;
    private @Nullable ByteBuffer buffer;

    /// Where a read goes: the guest's own memory, where that is possible.
    private @Nullable ByteBuffer directTarget;

    byte status;

    /// The next in the queue's list of completed jobs.
    @Nullable Job nextCompleted;

    private volatile @Nullable Throwable failure;

    Job(RingWorker worker, int head) {
        this.worker = worker;
        this.head = head;
        small.order(ByteOrder.LITTLE_ENDIAN);
    }

    /// Reads the header. The chain must have been read.
    ///
    /// @throws VhostException where it has no room for header and status: nothing can be answered
    void begin(GuestMemory memory) throws VhostException {
        if (chain.readableBytes() < HEADER_BYTES || chain.writableBytes() < 1) {
            throw new VhostException(
                    "a request with "
                            + chain.readableBytes()
                            + " bytes to read and "
                            + chain.writableBytes()
                            + " to write");
        }
        chain.copyOut(memory, 0, small.clear());
        type = small.getInt(0);
        sector = small.getLong(8);
        status = OK;
        failure = null;
        long data =
                type == IN || type == GET_ID
                        ? chain.writableBytes() - 1
                        : chain.readableBytes() - HEADER_BYTES;
        dataBytes = data > BlockDevice.MAX_IO_BYTES ? -1 : (int) data;
        directTarget = type == IN && dataBytes > 0 ? chain.direct(memory, dataBytes) : null;
    }

    /// The buffer that the request needs, in bytes: 0 for none.
    int bufferBytes() {
        return switch (type) {
            case IN -> directTarget != null ? 0 : Math.max(0, dataBytes);
            case OUT -> Math.max(0, dataBytes);
            case DISCARD, WRITE_ZEROES -> dataBytes <= MAX_ZERO_BYTES ? Math.max(0, dataBytes) : 0;
            default -> 0;
        };
    }

    void buffer(@Nullable ByteBuffer given) {
        buffer = given;
    }

    @Nullable ByteBuffer buffer() {
        return buffer;
    }

    /// Starts the request.
    ///
    /// @return null where it is done already; else it completes later, by [#accept]
    @Nullable CompletableFuture<?> start(Target target, GuestMemory memory) throws VhostException {
        BlockDevice device = target.device();
        switch (type) {
            case IN -> {
                return range(device) ? read(device) : null;
            }
            case OUT -> {
                if (target.readOnly() || !range(device)) {
                    status = IOERR;
                    return null;
                }
                return write(device, memory);
            }
            case FLUSH -> {
                return device.flush();
            }
            case GET_ID -> {
                ByteBuffer id = ByteBuffer.allocate(Math.min(ID_BYTES, Math.max(0, dataBytes)));
                byte[] name = target.serial();
                id.put(name, 0, Math.min(name.length, id.remaining())).clear();
                chain.copyIn(memory, 0, id);
                dataBytes = id.capacity();
                return null;
            }
            case DISCARD, WRITE_ZEROES -> {
                if (target.readOnly()) {
                    status = IOERR;
                    return null;
                }
                return zero(device, memory);
            }
            default -> {
                status = UNSUPP;
                return null;
            }
        }
    }

    private boolean range(BlockDevice device) {
        if (dataBytes < 0
                || dataBytes % BlockConfig.SECTOR_BYTES != 0
                || !within(device, sector, dataBytes / BlockConfig.SECTOR_BYTES)) {
            status = IOERR;
            return false;
        }
        return true;
    }

    private static boolean within(BlockDevice device, long sector, long count) {
        long sectors = device.sizeBytes() / BlockConfig.SECTOR_BYTES;
        return sector >= 0 && count <= sectors && sector <= sectors - count;
    }

    private @Nullable CompletableFuture<?> read(BlockDevice device) {
        if (dataBytes == 0) {
            return null;
        }
        long offset = sector * BlockConfig.SECTOR_BYTES;
        ByteBuffer straight = directTarget;
        ByteBuffer target = straight != null ? straight : data();
        return device.tryRead(offset, target) ? null : device.read(offset, target);
    }

    private @Nullable CompletableFuture<?> write(BlockDevice device, GuestMemory memory)
            throws VhostException {
        if (dataBytes == 0) {
            return null;
        }
        // The guest may change its memory while the request is under way, and checksums are taken
        // of it more than once: the device gets a copy.
        ByteBuffer data = data();
        chain.copyOut(memory, HEADER_BYTES, data);
        return device.write(sector * BlockConfig.SECTOR_BYTES, data.flip());
    }

    private @Nullable CompletableFuture<?> zero(BlockDevice device, GuestMemory memory)
            throws VhostException {
        int segments = dataBytes / ZERO_SEGMENT_BYTES;
        if (dataBytes <= 0 || dataBytes % ZERO_SEGMENT_BYTES != 0 || dataBytes > MAX_ZERO_BYTES) {
            status = IOERR;
            return null;
        }
        ByteBuffer list = data().order(ByteOrder.LITTLE_ENDIAN);
        chain.copyOut(memory, HEADER_BYTES, list);
        for (int i = 0; i < segments; i++) {
            int flags = list.getInt(i * ZERO_SEGMENT_BYTES + 12);
            if ((flags & ~FLAG_UNMAP) != 0 || (type == DISCARD && flags != 0)) {
                status = UNSUPP;
                return null;
            }
            long count = Integer.toUnsignedLong(list.getInt(i * ZERO_SEGMENT_BYTES + 8));
            if (count > BlockConfig.MAX_ZERO_SECTORS
                    || !within(device, list.getLong(i * ZERO_SEGMENT_BYTES), count)) {
                status = IOERR;
                return null;
            }
        }
        CompletableFuture<?>[] parts = new CompletableFuture<?>[segments];
        for (int i = 0; i < segments; i++) {
            long offset = list.getLong(i * ZERO_SEGMENT_BYTES) * BlockConfig.SECTOR_BYTES;
            long length =
                    Integer.toUnsignedLong(list.getInt(i * ZERO_SEGMENT_BYTES + 8))
                            * BlockConfig.SECTOR_BYTES;
            boolean unmap = type == DISCARD || list.getInt(i * ZERO_SEGMENT_BYTES + 12) != 0;
            parts[i] =
                    length == 0
                            ? CompletableFuture.completedFuture(null)
                            : device.zero(offset, length, unmap);
        }
        return segments == 1 ? parts[0] : CompletableFuture.allOf(parts);
    }

    private ByteBuffer data() {
        ByteBuffer taken = buffer;
        if (taken == null) {
            throw new IllegalStateException("a request of " + dataBytes + " bytes has no buffer");
        }
        return taken.clear().limit(dataBytes);
    }

    /// Called by whatever thread completes the request.
    @Override
    public void accept(@Nullable Object ignored, @Nullable Throwable thrown) {
        failure = thrown;
        worker.completed(this);
    }

    /// Notes how it went; an answer of the guest's has not been given yet.
    void ended() {
        if (failure != null) {
            status = IOERR;
        }
    }

    /// Why the device failed it, for the log.
    @Nullable CisternException reason() {
        Throwable thrown = failure;
        return thrown == null ? null : CisternException.of(thrown);
    }

    /// Writes data and status for the guest.
    ///
    /// @return how many bytes of the writable part, from its beginning, were written
    long answer(GuestMemory memory) throws VhostException {
        long written = 0;
        if (status == OK && type == IN && dataBytes > 0) {
            if (directTarget == null) {
                chain.copyIn(memory, 0, data());
            }
            written = dataBytes;
        } else if (status == OK && type == GET_ID) {
            written = dataBytes;
        } else if (directTarget != null) {
            // A read that failed may have filled a part of the guest's buffer.
            written = dataBytes;
        }
        directTarget = null;
        chain.setStatus(memory, status);
        return written;
    }

    /// What the used ring says: bytes that were written from the beginning of the writable part on,
    /// without a gap (VIRTIO 1.2, 2.7.8.2). The status is the last byte, wherever that is.
    ///
    /// @param written as [#answer] says
    long used(long written) {
        long data = status == OK ? written : 0;
        return data + 1 == chain.writableBytes() ? data + 1 : data;
    }
}
