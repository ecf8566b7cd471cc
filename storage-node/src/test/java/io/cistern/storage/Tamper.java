package io.cistern.storage;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.WriteBatch;

/// Damage to one replica that its checksums do not show.
public final class Tamper {
    private Tamper() {}

    private static BlockMap map(Store store) {
        return field(store, "map", BlockMap.class);
    }

    private static <T> T field(Object of, String name, Class<T> type) {
        try {
            var field = of.getClass().getDeclaredField(name);
            field.setAccessible(true);
            return type.cast(field.get(of));
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    /// Writes `data` to the first block of the first granule that has one, and its checksum to the
    /// row, in the map itself.
    public static void changeBlock(Store store, byte[] data) throws RocksDBException {
        BlockMap map = map(store);
        checkpoint(store);
        RowKey key = new RowKey(0, 0, 0);
        Row row = Row.DELETED;
        try (RowScan scan = new RowScan(map, RowKey.FIRST, true, true)) {
            while (scan.next()) {
                if ((scan.row().valid() & 1) != 0) {
                    key = scan.key();
                    row = scan.row();
                    break;
                }
            }
        }
        int[] crcs = row.crcs().clone();
        crcs[0] = io.cistern.block.Crc32c.of(ByteBuffer.wrap(data));
        map.area().write(row.slot(), 0, ByteBuffer.wrap(data));
        Row changed = new Row(row.slot(), row.valid(), row.zero(), crcs, row.lastIndex());
        try (WriteBatch batch = new WriteBatch()) {
            batch.put(Keys.row(map.group(), key), changed.encode());
            map.db().write(batch);
        }
        map.db().flush();
        map.invalidateAll();
    }

    /// Removes the row of a file's name from the map itself.
    ///
    /// @return how many there were
    public static int removeEntry(Store store, String name) throws RocksDBException {
        BlockMap map = map(store);
        checkpoint(store);
        byte[] wanted = name.getBytes(StandardCharsets.UTF_8);
        List<byte[]> found = new ArrayList<>();
        try (RocksIterator it = map.db().iterator(false)) {
            for (it.seek(Keys.of(map.group(), FileKeys.CONTENT)); it.isValid(); it.next()) {
                byte[] key = it.key();
                if (Keys.kind(key) != FileKeys.CONTENT) {
                    break;
                }
                byte[] row = FileKeys.key(key);
                if (row[0] == 'D' && contains(row, wanted)) {
                    found.add(key);
                }
            }
        }
        try (WriteBatch batch = new WriteBatch()) {
            for (byte[] key : found) {
                batch.delete(key);
            }
            map.db().write(batch);
        }
        map.db().flush();
        return found.size();
    }

    private static boolean contains(byte[] row, byte[] name) {
        return row.length == 9 + name.length + 1
                && java.util.Arrays.equals(row, 9, 9 + name.length, name, 0, name.length);
    }

    /// Every slot that the store holds.
    static BitSet held(Store store) {
        return map(store).slots();
    }

    static RowKey firstRow(Store store) {
        try (RowScan scan = new RowScan(map(store), RowKey.FIRST, true, true)) {
            if (!scan.next()) {
                throw new AssertionError("no row");
            }
            return scan.key();
        }
    }

    /// Makes a row one that cannot be understood.
    static void spoilRow(Store store) throws RocksDBException {
        BlockMap map = map(store);
        try (WriteBatch batch = new WriteBatch()) {
            batch.put(Keys.row(map.group(), firstRow(store)), new byte[] {9});
            map.db().write(batch);
        }
        map.db().flush();
    }

    /// Takes slots that no row will name.
    public static void leak(Store store, int slots) {
        for (int i = 0; i < slots; i++) {
            map(store).area().allocate();
        }
    }

    /// Gives back the slot of a row that goes on naming it.
    ///
    /// @return the slot
    public static long unmark(Store store) {
        long slot = firstSlot(map(store));
        map(store).area().release(slot);
        return slot;
    }

    static SlotArea area(Store store) {
        return map(store).area();
    }

    /// Makes two rows name one slot.
    public static void share(Store store) throws RocksDBException {
        checkpoint(store);
        BlockMap map = map(store);
        List<RowKey> keys = new ArrayList<>();
        List<Row> rows = new ArrayList<>();
        try (RowScan scan = new RowScan(map, RowKey.FIRST, true, true)) {
            while (scan.next() && keys.size() < 2) {
                if (scan.row().hasSlot()) {
                    keys.add(scan.key());
                    rows.add(scan.row());
                }
            }
        }
        Row last = rows.getLast();
        Row changed =
                new Row(
                        rows.getFirst().slot(),
                        last.valid(),
                        last.zero(),
                        last.crcs(),
                        last.lastIndex());
        try (WriteBatch batch = new WriteBatch()) {
            batch.put(Keys.row(map.group(), keys.getLast()), changed.encode());
            map.db().write(batch);
        }
        map.db().flush();
    }

    private static long firstSlot(BlockMap map) {
        try (RowScan scan = new RowScan(map, RowKey.FIRST, true, true)) {
            while (scan.next()) {
                if (scan.row().hasSlot()) {
                    return scan.row().slot();
                }
            }
        }
        throw new AssertionError("no row has a slot");
    }

    /// Until all rows are in the map itself.
    public static void checkpoint(Store store) {
        ReentrantLock lock = field(store, "lock", ReentrantLock.class);
        while (true) {
            lock.lock();
            try {
                if (field(store, "state", StoreState.class).betweenEntries()
                        && field(store, "checkpointer", Checkpointer.class).running() == null) {
                    break;
                }
            } finally {
                lock.unlock();
            }
            Thread.onSpinWait();
        }
        store.checkpoint().join();
    }
}
