package io.cistern.storage;

import java.util.Arrays;
import java.util.Iterator;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksIterator;

/// Stored rows of shares in the order of their keys, changed ones over those of the map. Close it.
final class FileScan implements AutoCloseable {
    private final MapDb db;
    private final LongAdder scanned;
    private final byte[] prefix;
    private final Cursor changed;
    private final @Nullable Cursor frozen;
    private final RocksIterator stored;
    private byte @Nullable [] storedKey;
    private byte[] key = {};
    private byte[] value = {};
    private int steps;

    private static final class Cursor {
        final Iterator<Map.Entry<byte[], byte[]>> entries;
        private final byte[] prefix;
        Map.@Nullable Entry<byte[], byte[]> next;

        Cursor(FileLayer layer, byte[] prefix, byte[] from, boolean inclusive) {
            this.prefix = prefix;
            entries = layer.rows.tailMap(from, inclusive).entrySet().iterator();
            step();
        }

        void step() {
            next = entries.hasNext() ? entries.next() : null;
            if (next != null && !FileKeys.startsWith(next.getKey(), prefix)) {
                next = null;
            }
        }
    }

    /// @param prefix of all keys to be found
    /// @param from where to begin
    /// @param inclusive whether with `from` or behind it
    /// @param scan many rows will be read
    FileScan(FileRows rows, byte[] prefix, byte[] from, boolean inclusive, boolean scan) {
        this.db = rows.db();
        this.scanned = rows.scanned();
        this.prefix = prefix;
        FileRows.Layers layers = rows.layers();
        changed = new Cursor(layers.dirty(), prefix, from, inclusive);
        FileLayer below = layers.frozen();
        frozen = below == null ? null : new Cursor(below, prefix, from, inclusive);
        stored = db.iterator(scan);
        stored.seek(from);
        readStoredKey();
        if (!inclusive && storedKey != null && Arrays.equals(storedKey, from)) {
            stored.next();
            readStoredKey();
        }
    }

    private void readStoredKey() {
        storedKey = null;
        if (stored.isValid()) {
            byte[] k = stored.key();
            if (FileKeys.startsWith(k, prefix)) {
                storedKey = k;
            }
        } else {
            db.verify(stored);
        }
    }

    boolean next() {
        while (true) {
            byte[] least = lesser(storedKey, changed);
            least = frozen == null ? least : lesser(least, frozen);
            if (least == null) {
                return false;
            }
            steps++;
            byte[] found = take(least, changed);
            if (frozen != null) {
                byte[] older = take(least, frozen);
                found = found == null ? older : found;
            }
            if (storedKey != null && Arrays.equals(least, storedKey)) {
                found = found == null ? stored.value() : found;
                stored.next();
                readStoredKey();
            }
            if (found != null && found != FileLayer.DELETED) {
                key = least;
                value = found;
                return true;
            }
        }
    }

    private static byte @Nullable [] lesser(byte @Nullable [] least, Cursor cursor) {
        Map.Entry<byte[], byte[]> e = cursor.next;
        if (e == null) {
            return least;
        }
        return least == null || Arrays.compareUnsigned(e.getKey(), least) < 0 ? e.getKey() : least;
    }

    private static byte @Nullable [] take(byte[] at, Cursor cursor) {
        Map.Entry<byte[], byte[]> e = cursor.next;
        if (e == null || !Arrays.equals(e.getKey(), at)) {
            return null;
        }
        cursor.step();
        return e.getValue();
    }

    byte[] key() {
        return key;
    }

    /// As it is stored, see [FileKeys].
    byte[] value() {
        return value;
    }

    @Override
    public void close() {
        stored.close();
        scanned.add(steps);
    }
}
