package io.cistern.storage;

import java.util.Iterator;
import java.util.Map;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksIterator;

/// Rows in the order of their keys, changed ones from memory over those of the map. Not a snapshot:
/// rows changed meanwhile may appear either way. Close it.
final class RowScan implements AutoCloseable {
    private final MapDb db;
    private final long group;
    private final Cursor changed;
    private final @Nullable Cursor frozen;
    private final RocksIterator stored;
    private @Nullable RowKey storedKey;
    private @Nullable RowKey key;
    private @Nullable Row row;

    /// One layer's next entry.
    private static final class Cursor {
        final Iterator<Map.Entry<RowKey, Row>> entries;
        Map.@Nullable Entry<RowKey, Row> next;

        Cursor(Layer layer, RowKey from, boolean inclusive) {
            entries = layer.rows.tailMap(from, inclusive).entrySet().iterator();
            step();
        }

        void step() {
            next = entries.hasNext() ? entries.next() : null;
        }
    }

    /// @param inclusive whether to begin at `from` or behind it
    /// @param scan many rows will be read
    RowScan(BlockMap map, RowKey from, boolean inclusive, boolean scan) {
        this.db = map.db();
        this.group = map.group();
        BlockMap.Layers layers = map.layers();
        changed = new Cursor(layers.dirty(), from, inclusive);
        Layer below = layers.frozen();
        frozen = below == null ? null : new Cursor(below, from, inclusive);
        stored = db.iterator(scan);
        stored.seek(Keys.row(group, from));
        readStoredKey();
        if (!inclusive && from.equals(storedKey)) {
            stored.next();
            readStoredKey();
        }
    }

    private void readStoredKey() {
        storedKey = null;
        if (stored.isValid()) {
            byte[] k = stored.key();
            if (Keys.isRow(k, group)) {
                storedKey = Keys.row(k);
            }
        } else {
            db.verify(stored);
        }
    }

    boolean next() {
        while (true) {
            RowKey least = storedKey;
            least = lesser(least, changed);
            least = frozen == null ? least : lesser(least, frozen);
            if (least == null) {
                key = null;
                row = null;
                return false;
            }
            Row found = take(least, changed);
            if (frozen != null) {
                Row older = take(least, frozen);
                found = found == null ? older : found;
            }
            if (least.equals(storedKey)) {
                if (found == null) {
                    found = Row.decode(stored.value());
                }
                stored.next();
                readStoredKey();
            }
            if (found != null && found != Row.DELETED) {
                key = least;
                row = found;
                return true;
            }
        }
    }

    private static @Nullable RowKey lesser(@Nullable RowKey least, Cursor cursor) {
        Map.Entry<RowKey, Row> e = cursor.next;
        if (e == null) {
            return least;
        }
        return least == null || e.getKey().compareTo(least) < 0 ? e.getKey() : least;
    }

    private static @Nullable Row take(RowKey at, Cursor cursor) {
        Map.Entry<RowKey, Row> e = cursor.next;
        if (e == null || !e.getKey().equals(at)) {
            return null;
        }
        cursor.step();
        return e.getValue();
    }

    RowKey key() {
        if (key == null) {
            throw new NoSuchElementException();
        }
        return key;
    }

    Row row() {
        if (row == null) {
            throw new NoSuchElementException();
        }
        return row;
    }

    @Override
    public void close() {
        stored.close();
    }
}
