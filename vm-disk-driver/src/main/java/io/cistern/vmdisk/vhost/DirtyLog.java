package io.cistern.vmdisk.vhost;

/// The bitmap in which a back end tells a migrating front end which pages of the guest it has
/// written to: one bit per 4 KiB of guest physical memory, from address 0 on.
///
/// Marks are set after the page was written: the front end reads and clears a bit before it sends
/// the page, so a mark that came before the write could be lost.
final class DirtyLog {
    /// VHOST_LOG_PAGE.
    static final int PAGE_SHIFT = 12;

    private final SharedMemory memory;
    private final long offset;
    private final long bytes;

    /// @param bytes of the bitmap, a multiple of 4, from `offset` on
    DirtyLog(SharedMemory memory, long offset, long bytes) {
        this.memory = memory;
        this.offset = offset;
        this.bytes = bytes;
    }

    /// @throws VhostException where the bitmap ends before that range: the page would be lost
    void mark(long guestAddress, long length) throws VhostException {
        if (length <= 0) {
            return;
        }
        long last = guestAddress + length - 1 >>> PAGE_SHIFT;
        for (long page = guestAddress >>> PAGE_SHIFT; page <= last; page++) {
            long at = page >>> 3;
            if (at >= bytes) {
                throw new VhostException(
                        "the dirty log of " + bytes + " bytes does not reach page " + page);
            }
            memory.orByte(offset + at, 1 << (int) (page & 7));
        }
    }

    void retain() {
        memory.retain();
    }

    void release() {
        memory.release();
    }
}
