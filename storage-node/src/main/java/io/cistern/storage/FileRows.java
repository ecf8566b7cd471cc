package io.cistern.storage;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.cistern.block.fs.WouldBlockException;
import io.cistern.storage.Branch.Point;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;

/// The rows of a store's shares: those changed since the last checkpoint in memory, over those in
/// RocksDB. Contents are multi-version, as the block map's rows are: a row belongs to a branch and
/// an epoch, and a reader at an epoch sees the newest row up to it, on the branch or on the ones
/// before it.
///
/// Written under the store's lock by [#change]. Readers take no lock: what has to fit together is
/// read in [#still].
final class FileRows {
    private static final int OPTIMISTIC = 4;

    /// What the cache of rows may take.
    private static final long CACHE_BYTES = 4L << 20;

    /// What an entry takes beside its key and value.
    private static final int ENTRY_BYTES = 160;

    private final MapDb db;
    private final long group;
    private volatile Layers layers = new Layers(new FileLayer(), null);

    /// Odd while a change is taking effect.
    private volatile long version;

    private final ReentrantReadWriteLock changing = new ReentrantReadWriteLock();

    /// Rows of the map that readers have asked for.
    private final Cache<CachedKey, CachedRow> cache =
            Caffeine.newBuilder()
                    .maximumWeight(CACHE_BYTES)
                    .weigher((CachedKey k, CachedRow row) -> k.key.length + row.weight())
                    .executor(Runnable::run)
                    .build();

    /// Rows and marks of deleted ones that scans came by, RocksDB's own marks aside.
    private final LongAdder scanned = new LongAdder();

    record Layers(FileLayer dirty, @Nullable FileLayer frozen) {}

    /// A content row of a branch.
    private record CachedKey(long branch, byte[] key) {
        @Override
        public boolean equals(@Nullable Object o) {
            return o instanceof CachedKey k && k.branch == branch && Arrays.equals(k.key, key);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(key) * 31 + Long.hashCode(branch);
        }
    }

    /// The newest stored row up to an epoch, or that there is none. Each is equal to itself only.
    private static final class CachedRow {
        final int epoch;
        final boolean known;
        final byte @Nullable [] stored;

        CachedRow(int epoch, boolean known, byte @Nullable [] stored) {
            this.epoch = epoch;
            this.known = known;
            this.stored = stored;
        }

        int weight() {
            return ENTRY_BYTES + (stored == null ? 0 : stored.length);
        }
    }

    /// A row as it is stored.
    private record Version(byte[] full, byte[] stored) {}

    FileRows(MapDb db, long group) {
        this.db = db;
        this.group = group;
    }

    MapDb db() {
        return db;
    }

    long group() {
        return group;
    }

    LongAdder scanned() {
        return scanned;
    }

    Layers layers() {
        return layers;
    }

    // ---- reading

    /// Runs `task` so that no change takes effect while it does: again where one has, and in the
    /// end with changes held back.
    <T> T still(Supplier<T> task) {
        for (int i = 0; i < OPTIMISTIC; i++) {
            long before = version;
            if ((before & 1) != 0) {
                Thread.onSpinWait();
                continue;
            }
            try {
                T result = task.get();
                if (version == before) {
                    return result;
                }
            } catch (RuntimeException e) {
                if (version == before) {
                    throw e;
                }
            }
        }
        changing.readLock().lock();
        try {
            return task.get();
        } finally {
            changing.readLock().unlock();
        }
    }

    /// See [io.cistern.block.fs.engine.Views#version].
    long version() {
        return version;
    }

    /// As [#still], where no change is under way.
    ///
    /// @throws WouldBlockException
    <T> T stillAtOnce(Supplier<T> task) {
        for (int i = 0; i < OPTIMISTIC; i++) {
            long before = version;
            if ((before & 1) != 0) {
                continue;
            }
            try {
                T result = task.get();
                if (version == before) {
                    return result;
                }
            } catch (WouldBlockException e) {
                throw e;
            } catch (RuntimeException e) {
                if (version == before) {
                    throw e;
                }
            }
        }
        throw WouldBlockException.INSTANCE;
    }

    /// The value of a content row; null where there is none.
    byte @Nullable [] get(Branch branch, int epoch, byte[] key) {
        return get(branch, epoch, key, false);
    }

    /// As [#get(Branch, int, byte[])], from memory.
    ///
    /// @throws WouldBlockException
    byte @Nullable [] getAtOnce(Branch branch, int epoch, byte[] key) {
        return get(branch, epoch, key, true);
    }

    private byte @Nullable [] get(Branch branch, int epoch, byte[] key, boolean atOnce) {
        Branch at = branch;
        int from = epoch;
        while (true) {
            byte[] found = cached(at.id, from, key, atOnce);
            if (found != null) {
                return FileKeys.isTombstone(found) ? null : FileKeys.value(found);
            }
            Point next = at.parent;
            if (next == null) {
                return null;
            }
            at = next.branch();
            from = next.epoch();
        }
    }

    /// As [#own], by way of the cache.
    ///
    /// Who fills it leaves a mark before it looks: a change that comes in between takes the mark
    /// away, see [#store], and then what was found is not kept.
    private byte @Nullable [] cached(long branch, int epoch, byte[] key, boolean atOnce) {
        byte[] full = FileKeys.content(group, branch, key, epoch);
        byte[] exact = changed(full);
        if (exact != null && exact != FileLayer.DELETED) {
            return exact;
        }
        CachedKey cachedKey = new CachedKey(branch, key);
        CachedRow row = cache.getIfPresent(cachedKey);
        if (row != null && row.known && row.epoch == epoch) {
            return row.stored;
        }
        if (atOnce) {
            throw WouldBlockException.INSTANCE;
        }
        CachedRow mark = new CachedRow(epoch, false, null);
        cache.put(cachedKey, mark);
        byte[] found = own(branch, epoch, key);
        cache.asMap().replace(cachedKey, mark, new CachedRow(epoch, true, found));
        return found;
    }

    /// The newest stored row of a branch up to an epoch.
    byte @Nullable [] own(long branch, int epoch, byte[] key) {
        Version found = newest(branch, epoch, key);
        return found == null ? null : found.stored;
    }

    private @Nullable Version newest(long branch, int epoch, byte[] key) {
        byte[] from = FileKeys.content(group, branch, key, epoch);
        byte[] exact = changed(from);
        if (exact != null && exact != FileLayer.DELETED) {
            return new Version(from, exact);
        }
        return epoch <= Branch.FIRST_EPOCH
                ? asked(branch, epoch, key)
                : searched(from, Arrays.copyOf(from, from.length - 4));
    }

    /// Before a branch's first snapshot few keys are possible: to ask for each takes a fraction of
    /// what an iterator does.
    private @Nullable Version asked(long branch, int epoch, byte[] key) {
        for (int at = epoch; at >= Branch.INHERITED; at--) {
            byte[] full = FileKeys.content(group, branch, key, at);
            byte[] stored = exact(full);
            if (stored != null) {
                return new Version(full, stored);
            }
        }
        return null;
    }

    private @Nullable Version searched(byte[] from, byte[] prefix) {
        try (FileScan scan = new FileScan(this, prefix, from, true, false)) {
            // Keys that go on behind the prefix with more than an epoch are other rows.
            while (scan.next()) {
                if (FileKeys.sameRow(scan.key(), from)) {
                    return new Version(scan.key(), scan.value());
                }
                if (Arrays.compareUnsigned(scan.key(), FileKeys.behind(prefix)) > 0) {
                    return null;
                }
            }
        }
        return null;
    }

    /// The value of a row that is not in snapshots.
    byte @Nullable [] get(long volume, byte[] key) {
        byte[] found = exact(FileKeys.own(group, volume, key));
        return found == null ? null : FileKeys.value(found);
    }

    /// As [#get(long, byte[])], from memory.
    ///
    /// @throws WouldBlockException
    byte @Nullable [] getAtOnce(long volume, byte[] key) {
        byte[] found = changed(FileKeys.own(group, volume, key));
        if (found == null) {
            throw WouldBlockException.INSTANCE;
        }
        return found == FileLayer.DELETED ? null : FileKeys.value(found);
    }

    /// What is stored under a key; null where nothing is.
    private byte @Nullable [] exact(byte[] full) {
        byte[] found = changed(full);
        if (found == null) {
            found = db.get(full);
        }
        return found == FileLayer.DELETED ? null : found;
    }

    /// What became of a key since the map was written; null where it did not change.
    private byte @Nullable [] changed(byte[] full) {
        Layers now = layers;
        byte[] found = now.dirty.rows.get(full);
        return found == null && now.frozen != null ? now.frozen.rows.get(full) : found;
    }

    // ---- changes: the store's lock is held

    /// Makes what `task` puts visible in one instant.
    @SuppressWarnings("NonAtomicVolatileUpdate") // one writer at a time
    void change(Runnable task) {
        changing.writeLock().lock();
        try {
            version++;
            try {
                task.run();
            } finally {
                version++;
            }
        } finally {
            changing.writeLock().unlock();
        }
    }

    /// Puts a content row from the head's epoch on.
    void put(Branch branch, int epoch, byte[] key, byte[] value) {
        byte[] full = FileKeys.content(group, branch.id, key, epoch);
        supersede(branch, full, key);
        store(full, FileKeys.stored(value));
        branch.fronts.put(key);
    }

    /// Removes a content row from the head's epoch on.
    void delete(Branch branch, int epoch, byte[] key) {
        byte[] full = FileKeys.content(group, branch.id, key, epoch);
        supersede(branch, full, key);
        store(full, hidden(branch, epoch, key) ? FileKeys.TOMBSTONE : FileLayer.DELETED);
        branch.fronts.delete(key);
    }

    /// Drops the version of a row that its new one, under `full`, takes the place of, where no
    /// snapshot or clone tells the two apart any more. Without that it would stay below the new
    /// one, and nobody would look for such garbage before the next snapshot is deleted.
    ///
    /// Unlike those of blocks, rows of shares may go while a copy is being taken, or replayed: it
    /// is of the very rows of its position, see [FileExport].
    private void supersede(Branch branch, byte[] full, byte[] key) {
        int epoch = FileKeys.epoch(full);
        if (epoch == Branch.INHERITED || branch.liveFrom(epoch - 1) != epoch) {
            return;
        }
        byte[] now = changed(full);
        if (now != null && now != FileLayer.DELETED) {
            // What was below went when this came, or is the collector's.
            return;
        }
        byte[] older;
        if (epoch == Branch.FIRST_EPOCH) {
            byte[] inherited = FileKeys.content(group, branch.id, key, Branch.INHERITED);
            older = exact(inherited) == null ? null : inherited;
        } else {
            Version found = newest(branch.id, epoch - 1, key);
            older = found == null ? null : found.full;
        }
        if (older != null && branch.liveFrom(FileKeys.epoch(older)) == epoch) {
            store(older, FileLayer.DELETED);
        }
    }

    /// Whether an older row would show if this epoch's were not there.
    private boolean hidden(Branch branch, int epoch, byte[] key) {
        if (epoch > Branch.INHERITED) {
            byte[] older = own(branch.id, epoch - 1, key);
            if (older != null) {
                return !FileKeys.isTombstone(older);
            }
        }
        Point parent = branch.parent;
        return parent != null && get(parent.branch(), parent.epoch(), key) != null;
    }

    void putOwn(long volume, byte[] key, byte @Nullable [] value) {
        store(
                FileKeys.own(group, volume, key),
                value == null ? FileLayer.DELETED : FileKeys.stored(value));
    }

    /// Puts a row as it is stored.
    void store(byte[] key, byte[] stored) {
        layers.dirty.put(key, stored);
        if (Keys.kind(key) == FileKeys.CONTENT) {
            cache.invalidate(new CachedKey(FileKeys.branch(key), FileKeys.key(key)));
        }
    }

    int dirtyRows() {
        return layers.dirty.count;
    }

    long dirtyBytes() {
        return layers.dirty.bytes;
    }

    /// Visits all stored rows with `after < key <= last`; null: without that bound. Keys of any
    /// group may be given: they are taken for this one's.
    void range(
            byte @Nullable [] after, byte @Nullable [] last, BiConsumer<byte[], byte[]> visitor) {
        byte[] behind = after == null ? null : Keys.inGroup(group, after);
        byte[] end = last == null ? null : Keys.inGroup(group, last);
        for (char kind : new char[] {FileKeys.CONTENT, FileKeys.OWN}) {
            byte[] prefix = Keys.of(group, kind);
            boolean inside = behind != null && Arrays.compareUnsigned(behind, prefix) >= 0;
            byte[] from = inside && behind != null ? behind : prefix;
            try (FileScan scan = new FileScan(this, prefix, from, !inside, true)) {
                while (scan.next()
                        && (end == null || Arrays.compareUnsigned(scan.key(), end) <= 0)) {
                    visitor.accept(scan.key(), scan.value());
                }
            }
        }
    }

    boolean isEmpty() {
        return !any(Keys.of(group, FileKeys.CONTENT)) && !any(Keys.of(group, FileKeys.OWN));
    }

    private boolean any(byte[] prefix) {
        try (FileScan scan = new FileScan(this, prefix, prefix, true, false)) {
            return scan.next();
        }
    }

    /// Whether a branch has any content row.
    boolean hasRows(long branch) {
        return any(FileKeys.content(group, branch, new byte[0]));
    }

    // ---- checkpoint

    /// Begins a checkpoint; the one before must have been [#thawed].
    FileLayer freeze() {
        FileLayer rows = layers.dirty;
        layers = new Layers(new FileLayer(), rows);
        return rows;
    }

    static void write(FileLayer frozen, WriteBatch batch) throws RocksDBException {
        for (Map.Entry<byte[], byte[]> e : frozen.rows.entrySet()) {
            if (e.getValue() == FileLayer.DELETED) {
                batch.delete(e.getKey());
            } else {
                batch.put(e.getKey(), e.getValue());
            }
        }
    }

    void thawed() {
        layers = new Layers(layers.dirty, null);
    }
}
