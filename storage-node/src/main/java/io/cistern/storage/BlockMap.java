package io.cistern.storage;

import com.github.benmanes.caffeine.cache.Cache;
import io.cistern.storage.Branch.Point;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// The block map of one store: rows in memory since the last checkpoint over those in RocksDB, and
/// a cache of what the heads' granules resolve to.
///
/// Locks: changes happen under the store's lock and, granule by granule, under the granule's lock
/// ([#lock]), which is shared by that granule of all branches. A reader takes the granule's lock to
/// fill the cache, or to look again when a checksum does not match.
final class BlockMap {
    private static final int STRIPES = 1024;
    private static final AtomicInteger GENERATIONS = new AtomicInteger();

    private final MapDb db;
    private final long group;
    private final SlotArea area;
    private final Cache<HeadKey, Resolved> cache;
    private final ReentrantLock[] stripes = new ReentrantLock[STRIPES];
    private final GranuleMoves moves = new GranuleMoves();
    private volatile Layers layers = new Layers(new Layer(), null);

    /// Part of the cache's keys: a new one makes all entries of this store unfindable.
    private volatile int generation = GENERATIONS.incrementAndGet();

    // Under the store's lock.
    private volatile List<Long> freed = new ArrayList<>();
    private final BitSet held = new BitSet();
    private volatile long heldSlots;

    /// Rows changed since the last checkpoint, and those a checkpoint is writing.
    record Layers(Layer dirty, @Nullable Layer frozen) {}

    /// A granule of a branch's head in the cache.
    record HeadKey(int generation, long branch, long granule) {
        @Override
        public int hashCode() {
            long h = (branch * 0x9E3779B97F4A7C15L + granule) * 0xD6E8FEB86659FD93L + generation;
            return (int) (h ^ h >>> 32);
        }
    }

    BlockMap(MapDb db, long group, SlotArea area, Cache<HeadKey, Resolved> cache) {
        this.db = db;
        this.group = group;
        this.area = area;
        this.cache = cache;
        for (int i = 0; i < STRIPES; i++) {
            stripes[i] = new ReentrantLock();
        }
    }

    MapDb db() {
        return db;
    }

    long group() {
        return group;
    }

    Layers layers() {
        return layers;
    }

    SlotArea area() {
        return area;
    }

    ReentrantLock lock(long granule) {
        return stripes[(int) (granule ^ granule >>> 10) & (STRIPES - 1)];
    }

    // ---- lookups

    @Nullable Row get(RowKey key) {
        Layers now = layers;
        Row row = now.dirty.rows.get(key);
        if (row == null && now.frozen != null) {
            row = now.frozen.rows.get(key);
        }
        if (row == null) {
            byte[] stored = db.get(Keys.row(group, key));
            row = stored == null ? null : Row.decode(stored);
        }
        return row == Row.DELETED ? null : row;
    }

    /// What the head's granule resolves to, if that is in memory.
    @Nullable Resolved cached(Branch branch, long granule) {
        return cache.getIfPresent(new HeadKey(generation, branch.id, granule));
    }

    /// What the head's granule resolves to. Call with the granule's lock held.
    Resolved head(Branch branch, long granule) {
        HeadKey key = new HeadKey(generation, branch.id, granule);
        Resolved found = cache.getIfPresent(key);
        if (found == null) {
            found = resolve(branch, branch.head, granule);
            cache.put(key, found);
        }
        return found;
    }

    /// What a granule resolves to at an epoch. Call with the granule's lock held.
    Resolved resolve(Branch branch, int epoch, long granule) {
        Resolved.Builder builder = new Resolved.Builder();
        Branch at = branch;
        int from = epoch;
        while (true) {
            if (at.granules.contains(granule) && !collect(at.id, from, granule, builder)) {
                break;
            }
            Point next = at.parent;
            if (next == null) {
                break;
            }
            at = next.branch();
            from = next.epoch();
        }
        return builder.build();
    }

    private boolean collect(long branch, int epoch, long granule, Resolved.Builder builder) {
        try (RowScan scan = new RowScan(this, new RowKey(branch, granule, epoch), true, false)) {
            while (scan.next()) {
                RowKey key = scan.key();
                if (key.branch() != branch || key.granule() != granule) {
                    return true;
                }
                if (!builder.add(key, scan.row())) {
                    return false;
                }
            }
        }
        return true;
    }

    /// A branch's rows of one granule, the newest first.
    List<Entry> rows(Branch branch, long granule) {
        List<Entry> found = new ArrayList<>(2);
        if (!branch.granules.contains(granule)) {
            return found;
        }
        RowKey from = new RowKey(branch.id, granule, Integer.MAX_VALUE);
        try (RowScan scan = new RowScan(this, from, true, false)) {
            while (scan.next()
                    && scan.key().branch() == branch.id
                    && scan.key().granule() == granule) {
                found.add(new Entry(scan.key(), scan.row()));
            }
        }
        return found;
    }

    record Entry(RowKey key, Row row) {}

    boolean hasRows(Branch branch) {
        RowKey from = new RowKey(branch.id, 0, Integer.MAX_VALUE);
        try (RowScan scan = new RowScan(this, from, true, false)) {
            return scan.next() && scan.key().branch() == branch.id;
        }
    }

    /// The first granule from `from` on that may have rows for a reader at `branch`.
    long nextGranule(Branch branch, long from) {
        return moves.next(branch, from);
    }

    // ---- changes: the store's lock and the granule's lock are held

    void put(Branch branch, RowKey key, Row row) {
        layers.dirty.put(key, row);
        branch.granules.add(key.granule());
    }

    void delete(RowKey key) {
        layers.dirty.put(key, Row.DELETED);
    }

    /// The last row of `branch` for the granule has become its only child's.
    void moved(Branch branch, long granule) {
        moves.moved(branch, granule);
    }

    /// Publishes what a head's granule resolves to now.
    void publish(Branch branch, long granule, Resolved resolved) {
        cache.put(new HeadKey(generation, branch.id, granule), resolved);
    }

    void invalidate(Branch branch, long granule) {
        cache.invalidate(new HeadKey(generation, branch.id, granule));
    }

    void invalidateAll() {
        generation = GENERATIONS.incrementAndGet();
    }

    long allocate(Branch branch) {
        long slot = area.allocate();
        hold(branch, slot);
        return slot;
    }

    /// As [#allocate], [Slots#NONE] where there is no slot.
    long tryAllocate(Branch branch) {
        long slot = area.tryAllocate();
        if (slot != Slots.NONE) {
            hold(branch, slot);
        }
        return slot;
    }

    /// Counts a slot that a row of `branch` refers to.
    @SuppressWarnings("NonAtomicVolatileUpdate") // one writer at a time
    void hold(Branch branch, long slot) {
        branch.slots++;
        held.set(Math.toIntExact(slot));
        heldSlots++;
    }

    /// Gives a slot back once the next checkpoint to begin is durable: until then the rows that a
    /// crash goes back to still refer to it.
    void free(Branch branch, long slot) {
        branch.slots--;
        freed.add(slot);
    }

    /// Slots held, those waiting to be freed included.
    long heldSlots() {
        return heldSlots;
    }

    int dirtyRows() {
        return layers.dirty.count;
    }

    int freedSlots() {
        return freed.size();
    }

    /// Every slot held, those waiting to be freed included. Known without the rows, which may have
    /// become unreadable. Under the store's lock.
    BitSet slots() {
        return (BitSet) held.clone();
    }

    // ---- checkpoint

    /// What one checkpoint writes and what it frees.
    record Frozen(Layer rows, List<Long> freed) {}

    /// Begins a checkpoint; the one before must have been [#thawed].
    Frozen freeze() {
        Layer rows = layers.dirty;
        layers = new Layers(new Layer(), rows);
        Frozen frozen = new Frozen(rows, freed);
        freed = new ArrayList<>();
        return frozen;
    }

    /// The frozen rows are durable in RocksDB. Store's lock held.
    @SuppressWarnings("NonAtomicVolatileUpdate") // one writer at a time
    void thawed(Frozen frozen) {
        layers = new Layers(layers.dirty, null);
        // In this order nobody sees a slot both held and free.
        heldSlots -= frozen.freed.size();
        for (long slot : frozen.freed) {
            held.clear(Math.toIntExact(slot));
            area.release(slot);
        }
    }
}
