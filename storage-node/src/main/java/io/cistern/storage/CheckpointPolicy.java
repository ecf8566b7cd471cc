package io.cistern.storage;

/// When a checkpoint of a store is due, and when so much waits for one that entries wait, too.
/// [#wrote] and [#begun] are called with the store's lock held, the rest by any thread.
final class CheckpointPolicy {
    /// A checkpoint is due after so many changed rows, written bytes, freed slots or so much time.
    static final int DUE_ROWS = 64 << 10;

    static final long DUE_BYTES = 256L << 20;
    static final int DUE_FREED = 16 << 10;

    /// Freed slots that are worth a checkpoint of their own, at most one in [#FREED_NANOS]: 64 MiB,
    /// or any where the disk has less than [#LOW_PERCENT] left.
    static final int NOTABLE_FREED = 1 << 10;

    static final long FREED_NANOS = 1_000_000_000L;
    static final int LOW_PERCENT = 15;
    static final long DUE_NANOS = 30_000_000_000L;

    /// So many changed rows wait for the checkpoint under way: bounds memory.
    static final int MOST_ROWS = 128 << 10;

    /// A checkpoint is due after so many bytes of changed rows of shares, and entries wait after so
    /// many.
    static final long DUE_FILE_BYTES = 48L << 20;

    static final long MOST_FILE_BYTES = 96L << 20;

    private final Disk disk;
    private final DiskThreads threads;
    private final BlockMap map;
    private final FileRows files;
    private final StoreState state;
    private final Checkpointer checkpointer;

    private volatile long bytesSince;
    private volatile long begunNanos;
    private volatile long heldUntilNanos;

    CheckpointPolicy(
            Disk disk, BlockMap map, FileRows files, StoreState state, Checkpointer checkpointer) {
        this.disk = disk;
        this.threads = disk.threads();
        this.map = map;
        this.files = files;
        this.state = state;
        this.checkpointer = checkpointer;
        this.begunNanos = threads.nanoTime();
        this.heldUntilNanos = begunNanos;
    }

    /// Counts bytes that an entry writes.
    void wrote(long bytes) {
        long before = bytesSince;
        bytesSince = before + bytes;
    }

    /// A checkpoint begins.
    void begun() {
        begunNanos = threads.nanoTime();
        bytesSince = 0;
    }

    /// For so long no checkpoint is due.
    void hold(long nanos) {
        heldUntilNanos = threads.nanoTime() + nanos;
    }

    boolean due() {
        if (checkpointer.running() != null
                || state.importing
                || state.closed
                || threads.nanoTime() - heldUntilNanos < 0) {
            return false;
        }
        return full(map, files)
                || bytesSince >= DUE_BYTES
                || freedIsDue()
                || (threads.nanoTime() - begunNanos >= DUE_NANOS
                        && (map.dirtyRows() > 0
                                || files.dirtyRows() > 0
                                || map.freedSlots() > 0
                                || !state.applied.equals(checkpointer.durable())));
    }

    /// Whether so much has changed that a checkpoint is due for that alone.
    static boolean full(BlockMap map, FileRows files) {
        return map.dirtyRows() >= DUE_ROWS
                || map.freedSlots() >= DUE_FREED
                || files.dirtyBytes() >= DUE_FILE_BYTES;
    }

    /// Whether it is time to make freed slots usable again.
    private boolean freedIsDue() {
        int freed = map.freedSlots();
        if (freed == 0 || threads.nanoTime() - begunNanos < FREED_NANOS) {
            return false;
        }
        return freed >= NOTABLE_FREED
                || disk.freeBytes() < disk.capacityBytes() / 100 * LOW_PERCENT;
    }

    /// Whether entries are to wait: too much has changed for the memory it takes.
    boolean overfull() {
        return map.dirtyRows() >= MOST_ROWS || files.dirtyBytes() >= MOST_FILE_BYTES;
    }

    /// Whether garbage may be collected, which changes rows, too.
    boolean hasRoom() {
        return map.dirtyRows() < MOST_ROWS / 2 && files.dirtyBytes() < MOST_FILE_BYTES / 2;
    }
}
