package io.cistern.storage;

import io.cistern.block.DurableFiles;
import io.cistern.raft.Halt;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The data area of a disk: slots of 64 KiB in preallocated extent files, and which of them are
/// free. Slot `n` is slot `n % perExtent` of extent `n / perExtent`. Which slots are used is not
/// stored here: the map says so, and [#markUsed] is told at open.
///
/// Thread-safe. A failed write, sync or growth that cannot be refused any more halts.
final class SlotArea implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(SlotArea.class);

    /// See [#allocate].
    static final long BEYOND_BYTES = 1L << 30;

    private static final int BEYOND_STEP = 16;

    private final DataFile.Factory files;
    private final Path directory;
    private final Halt halt;
    private final int perExtent;
    private final long capSlots;
    private final Object syncLock = new Object();
    private boolean syncFailed; // guarded by syncLock
    private final DiskCounters counters = new DiskCounters();
    private volatile Extent[] extents = {};

    // Guarded by this.
    private long[] used = {};
    private long total;
    private long free;
    private long cursor;
    private boolean full;

    /// Slots that were taken, given back or added since [#watch]; null where nobody watches.
    private @Nullable BitSet touched;

    /// Used by nobody, and not to be given out; see [#withhold].
    private BitSet withheld = new BitSet();

    private static final class Extent {
        final DataFile file;
        volatile boolean dirty;

        Extent(DataFile file) {
            this.file = file;
        }
    }

    /// @param capacityBytes most bytes of slots; 0: what the file system has
    SlotArea(
            DataFile.Factory files,
            Path directory,
            long extentBytes,
            long capacityBytes,
            Halt halt) {
        this.files = files;
        this.directory = directory;
        this.halt = halt;
        this.perExtent = Math.toIntExact(extentBytes / Slots.SLOT_BYTES);
        this.capSlots = capacityBytes == 0 ? Long.MAX_VALUE : capacityBytes / Slots.SLOT_BYTES;
    }

    /// Opens the extents that exist.
    ///
    /// @throws IOException one is missing or short
    void open() throws IOException {
        DurableFiles.createDirectories(directory);
        List<Path> found = new ArrayList<>();
        try (Stream<Path> list = Files.list(directory)) {
            for (Path path : list.sorted().toList()) {
                String name = path.getFileName().toString();
                if (name.endsWith(".new")) {
                    Files.delete(path);
                } else if (name.endsWith(".slots")) {
                    found.add(path);
                }
            }
        }
        for (int i = 0; i < found.size(); i++) {
            Path path = name(i);
            if (!found.get(i).equals(path)) {
                throw new IOException(path + " is missing, but " + found.get(i) + " is there");
            }
            long bytes = Files.size(path);
            boolean last = i == found.size() - 1;
            // The last one may end within a slot, where the file system was full.
            if (bytes < Slots.SLOT_BYTES
                    || bytes > (long) perExtent * Slots.SLOT_BYTES
                    || (!last && bytes != (long) perExtent * Slots.SLOT_BYTES)) {
                throw new IOException(path + " has an impossible size of " + bytes + " bytes");
            }
            add(files.open(path), bytes / Slots.SLOT_BYTES);
        }
    }

    private Path name(int extent) {
        return directory.resolve(String.format(Locale.ROOT, "%08d.slots", extent));
    }

    private synchronized void add(DataFile file, long slots) {
        Extent[] more = Arrays.copyOf(extents, extents.length + 1);
        more[extents.length] = new Extent(file);
        extents = more;
        added(slots);
    }

    private synchronized void added(long slots) {
        total += slots;
        free += slots;
        used = Arrays.copyOf(used, (int) ((total + 63) >>> 6));
    }

    /// False where the slot does not exist or was marked before.
    synchronized boolean markUsed(long slot) {
        if (slot < 0 || slot >= total || (used[(int) (slot >>> 6)] & 1L << slot) != 0) {
            return false;
        }
        touch(slot);
        used[(int) (slot >>> 6)] |= 1L << slot;
        free--;
        return true;
    }

    /// Takes a free slot, growing if there is none: at last beyond the cap and into the margin, up
    /// to [#BEYOND_BYTES] or a quarter of the cap. That is not meant to be needed; but a replica
    /// whose log needs it could not be started any more. Halts where none can be had.
    synchronized long allocate() {
        if (free == 0 && !grow() && !growBeyond()) {
            String kept =
                    withheld.isEmpty()
                            ? ""
                            : "; "
                                    + withheld.cardinality()
                                    + " are withheld, since a damaged replica may hold them: give the"
                                    + " file system or the disk more space until it has been rebuilt";
            IOException cause = new IOException("no free slot in " + directory + kept);
            halt.halt("disk full: space was not reserved before it was used", cause);
            throw new IllegalStateException(cause);
        }
        return take();
    }

    /// Takes a free slot, or [Slots#NONE].
    synchronized long tryAllocate() {
        return free == 0 && !grow() ? Slots.NONE : take();
    }

    private long take() {
        int words = used.length;
        int at = (int) (cursor >>> 6);
        for (int i = 0; i <= words; i++, at++) {
            if (at >= words) {
                at = 0;
            }
            long open = ~used[at];
            if (i == 0) {
                open &= -1L << cursor;
            }
            long slot = ((long) at << 6) + Long.numberOfTrailingZeros(open);
            if (open != 0 && slot < total) {
                used[at] |= 1L << slot;
                free--;
                touch(slot);
                cursor = slot + 1 == (long) words << 6 ? 0 : slot + 1;
                return slot;
            }
        }
        throw new IllegalStateException(free + " slots free but none found in " + directory);
    }

    synchronized void release(long slot) {
        touch(slot);
        long bit = 1L << slot;
        if ((used[(int) (slot >>> 6)] & bit) == 0) {
            throw new IllegalStateException("slot " + slot + " freed twice");
        }
        used[(int) (slot >>> 6)] &= ~bit;
        free++;
    }

    /// Takes every slot there is that is free, for one whose holder is not known. What is added
    /// from now on is free all the same.
    ///
    /// @return how many
    synchronized long withhold() {
        long taken = free;
        for (int slot = 0; slot < total; slot++) {
            if ((used[slot >>> 6] & 1L << slot) == 0) {
                withheld.set(slot);
                touch(slot);
                used[slot >>> 6] |= 1L << slot;
            }
        }
        free = 0;
        return taken;
    }

    /// Gives back what was [#withhold]-en.
    synchronized void releaseWithheld() {
        BitSet slots = withheld;
        withheld = new BitSet();
        slots.stream().forEach(this::release);
    }

    synchronized BitSet withheld() {
        return (BitSet) withheld.clone();
    }

    /// True where fewer than `slots` are free or can be added within the cap.
    boolean scarce(long slots) {
        synchronized (this) {
            if (free >= slots) {
                return false;
            }
        }
        long more = growable();
        synchronized (this) {
            return free + more < slots;
        }
    }

    /// Whether an extent should be added soon.
    synchronized boolean wantsToGrow() {
        return !full && total < capSlots && free < Math.max(1, perExtent / 4);
    }

    /// Adds an extent if cap and file system allow, or makes the last one longer where it is short:
    /// it was made under a smaller cap, or has lost its end (what was in that the map has missed
    /// before). An interrupt of the calling thread, which closes the channels of Java, does not
    /// keep it from growing: it is only put off.
    synchronized boolean grow() {
        long slots = Math.min(leftInExtent(), capSlots - total);
        if (slots <= 0) {
            return false;
        }
        try {
            if (usable() < slots * Slots.SLOT_BYTES) {
                full = true;
                return false;
            }
            lengthen(slots);
            full = false;
            return true;
        } catch (IOException e) {
            // Nothing depends on this extent yet: the disk stays as large as it is.
            full = true;
            log.warn("{} cannot grow: {}", directory, e.toString());
            return false;
        }
    }

    private long leftInExtent() {
        return perExtent - total % perExtent;
    }

    /// Makes the last extent longer, or begins the next one, by at most [#leftInExtent].
    private void lengthen(long slots) throws IOException {
        long inLast = total % perExtent;
        if (inLast == 0) {
            add(create(name(extents.length), slots * Slots.SLOT_BYTES), slots);
        } else {
            Extent last = extents[extents.length - 1];
            last.file.extend(inLast * Slots.SLOT_BYTES, (inLast + slots) * Slots.SLOT_BYTES);
            // With what else was written to it: if this fails, that may be lost.
            sync(last);
            added(slots);
        }
    }

    /// Slots by which the area is larger than its cap.
    synchronized long slotsBeyond() {
        return Math.max(0, total - capSlots);
    }

    private boolean growBeyond() {
        long most =
                capSlots == Long.MAX_VALUE
                        ? total + BEYOND_STEP
                        : capSlots + Math.min(BEYOND_BYTES / Slots.SLOT_BYTES, capSlots / 4);
        long slots = Math.min(Math.min(BEYOND_STEP, most - total), leftInExtent());
        if (slots <= 0) {
            return false;
        }
        log.error("{} is full: taking {} slots more than it is given", directory, slots);
        try {
            lengthen(slots);
            return true;
        } catch (IOException e) {
            log.error("{} cannot take them: {}", directory, e.toString());
            return false;
        }
    }

    private DataFile create(Path path, long bytes) throws IOException {
        boolean interrupted = Thread.interrupted();
        try {
            while (true) {
                try {
                    return files.create(path, bytes);
                } catch (ClosedByInterruptException e) {
                    interrupted = true;
                    Thread.interrupted();
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /// What the file system has left for extents, less a margin for logs and map: a tenth of what
    /// is left, at most 4 GiB.
    private long usable() throws IOException {
        long left = Files.getFileStore(directory).getUsableSpace();
        return left - Math.min(left / 10, 4L << 30);
    }

    /// Bytes in slots that are free or could be added.
    long freeBytes() {
        long more = growable();
        synchronized (this) {
            return Math.max(0, free + more - slotsBeyond()) * Slots.SLOT_BYTES;
        }
    }

    /// Bytes of slots there are or could be.
    long capacityBytes() {
        long more = growable();
        synchronized (this) {
            return (total + more - slotsBeyond()) * Slots.SLOT_BYTES;
        }
    }

    private long growable() {
        long left;
        try {
            left = Math.max(0, usable());
        } catch (IOException e) {
            return 0;
        }
        synchronized (this) {
            if (total >= capSlots) {
                return 0;
            }
            // Without a cap only whole extents are added.
            long slots = left / Slots.SLOT_BYTES;
            long room = capSlots - total;
            return slots >= room ? room : Math.max(0, slots - (total + slots) % perExtent);
        }
    }

    synchronized long usedSlots() {
        return total - free;
    }

    private Extent extent(long slot) {
        return extents[(int) (slot / perExtent)];
    }

    private long offset(long slot, int within) {
        return slot % perExtent * Slots.SLOT_BYTES + within;
    }

    /// Writes within one slot. Halts on failure.
    void write(long slot, int within, ByteBuffer src) {
        Extent extent = extent(slot);
        try {
            extent.file.write(offset(slot, within), src);
        } catch (IOException e) {
            halt.halt("write to disk " + directory + " failed", e);
            throw new IllegalStateException(e);
        }
        extent.dirty = true;
        counters.dataBytes.add(src.remaining());
    }

    /// What was written to the disk this area is of.
    DiskCounters counters() {
        return counters;
    }

    void read(long slot, int within, ByteBuffer dst) throws IOException {
        extent(slot).file.read(offset(slot, within), dst);
    }

    boolean tryRead(long slot, int within, ByteBuffer dst) {
        try {
            return extent(slot).file.tryRead(offset(slot, within), dst);
        } catch (IOException e) {
            return false;
        }
    }

    /// Makes every write completed before the call durable. Halts on failure, and does not try
    /// again: after a failed fsync the kernel may have dropped the pages.
    void sync() {
        synchronized (syncLock) {
            for (Extent extent : extents) {
                if (extent.dirty) {
                    extent.dirty = false;
                    sync(extent);
                }
            }
        }
    }

    private void sync(Extent extent) {
        synchronized (syncLock) {
            if (syncFailed) {
                // The kernel tells a failure once: the next sync would seem to succeed.
                throw new IllegalStateException("a sync of disk " + directory + " has failed");
            }
            try {
                extent.file.sync();
                counters.dataSyncs.increment();
            } catch (IOException e) {
                syncFailed = true;
                halt.halt("fdatasync of disk " + directory + " failed", e);
                throw new IllegalStateException(e);
            }
        }
    }

    // ---- books

    private void touch(long slot) {
        BitSet watched = touched;
        if (watched != null) {
            watched.set(Math.toIntExact(slot));
        }
    }

    /// Begins to note which slots change hands.
    synchronized void watch() {
        touched = new BitSet();
    }

    /// What is known of the slots.
    ///
    /// @param used one bit per slot that is given out
    /// @param touched those that changed hands since [#watch]
    record Books(BitSet used, BitSet touched) {}

    synchronized Books books() {
        BitSet watched = touched == null ? new BitSet() : (BitSet) touched.clone();
        return new Books(BitSet.valueOf(used), watched);
    }

    /// Puts right what was found out since [#watch], as one step: of the slots that have changed
    /// hands since, nothing is known any more, and they are left as they are.
    ///
    /// @param leaked used by nobody: given back
    /// @param unmarked used, and not known to be: marked
    /// @return those that were put right
    synchronized BitSet settle(BitSet leaked, BitSet unmarked) {
        BitSet watched = touched == null ? new BitSet() : (BitSet) touched.clone();
        BitSet settled = new BitSet();
        leaked.stream()
                .filter(slot -> !watched.get(slot))
                .forEach(slot -> {
                    release(slot);
                    settled.set(slot);
                });
        unmarked.stream()
                .filter(slot -> !watched.get(slot) && markUsed(slot))
                .forEach(settled::set);
        return settled;
    }

    /// Ends what [#watch] began.
    synchronized void unwatch() {
        touched = null;
    }

    @Override
    public void close() {
        for (Extent extent : extents) {
            extent.file.close();
        }
    }

    /// For messages.
    @Override
    public @Nullable String toString() {
        return directory.toString();
    }
}
