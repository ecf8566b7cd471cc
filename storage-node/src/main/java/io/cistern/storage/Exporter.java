package io.cistern.storage;

import io.cistern.raft.LogPosition;
import io.cistern.storage.CorruptBlocksException.Corrupt;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// A [StoreExport]: rows with their data, read granule by granule under the granule's lock.
final class Exporter implements StoreExport {
    /// Most rows named in one page.
    private static final int PAGE_ROWS = 64 << 10;

    /// Most rows asked for at once.
    private static final int MAX_KEYS = 256;

    /// What a row without contents counts towards a page's size.
    private static final int LISTED_BYTES = 48;

    private final BlockMap map;
    private final BlockReader reader;
    private final Damage damage;
    private final LogPosition position;
    private final ByteBuffer table;
    private final LongSupplier latestIndex;
    private final Runnable onClose;
    private final @Nullable FileExport files;
    private final AtomicBoolean closed = new AtomicBoolean();

    /// @param files null where there are no shares
    /// @param latestIndex the newest entry that may show in a row read now
    Exporter(
            Damage damage,
            BlockReader reader,
            LogPosition position,
            ByteBuffer table,
            @Nullable FileExport files,
            LongSupplier latestIndex,
            Runnable onClose) {
        this.files = files;
        this.map = reader.map();
        this.reader = reader;
        this.damage = damage;
        this.position = position;
        this.table = table;
        this.latestIndex = latestIndex;
        this.onClose = onClose;
    }

    @Override
    public LogPosition position() {
        return position;
    }

    @Override
    public ByteBuffer table() {
        return table.duplicate();
    }

    @Override
    public ExportPage granules(@Nullable RowKey after, long changedSince, int maxBytes) {
        List<RowExport> rows = new ArrayList<>();
        long bytes = 0;
        RowKey from = after == null ? RowKey.FIRST : after;
        RowKey last = null;
        boolean more = false;
        try (RowScan scan = new RowScan(map, from, after == null, true)) {
            while (scan.next()) {
                if (bytes >= maxBytes || rows.size() >= PAGE_ROWS) {
                    more = true;
                    break;
                }
                last = scan.key();
                RowExport row = export(last, changedSince);
                if (row != null) {
                    rows.add(row);
                    ByteBuffer data = row.data();
                    bytes += LISTED_BYTES + (data == null ? 0 : data.remaining());
                }
            }
        }
        return new ExportPage(after, more ? last : null, rows, latestIndex.getAsLong());
    }

    @Override
    public FilePage files(byte @Nullable [] after, int maxBytes, boolean contents) {
        return files == null
                ? new FilePage(
                        after, null, new FilePage.Digest().value(), contents ? List.of() : null)
                : files.page(after, maxBytes, contents);
    }

    @Override
    public List<RowExport> rows(List<RowKey> keys) {
        if (keys.size() > MAX_KEYS) {
            throw new IllegalArgumentException(keys.size() + " rows: at most " + MAX_KEYS);
        }
        List<RowExport> rows = new ArrayList<>(keys.size());
        for (RowKey key : keys) {
            RowExport row = export(key, -2);
            if (row != null) {
                rows.add(row);
            }
        }
        return rows;
    }

    private @Nullable RowExport export(RowKey key, long changedSince) {
        ReentrantLock lock = map.lock(key.granule());
        lock.lock();
        try {
            Row row = map.get(key);
            if (row == null) {
                return null;
            }
            int valid = row.valid();
            if (row.lastIndex() <= changedSince) {
                return listed(key, row);
            }
            int[] bad = new int[1];
            ByteBuffer data = reader.rowData(row, valid, bad);
            if (data == null) {
                Corrupt corrupt = damage.of(key, row, bad[0]);
                if (corrupt != null) {
                    throw new CorruptBlocksException(List.of(corrupt));
                }
                // Nobody sees the damaged blocks any more.
                valid &= ~bad[0];
                data = reader.rowData(row, valid, bad);
            }
            ByteBuffer copy = data == null ? ByteBuffer.allocate(0) : copy(data);
            int[] crcs = new int[Integer.bitCount(valid)];
            int n = 0;
            for (int b = 0; b < Slots.BLOCKS; b++) {
                if ((valid & 1 << b) != 0) {
                    crcs[n++] = row.crcs()[b];
                }
            }
            return new RowExport(
                    key, valid, row.zero(), row.lastIndex(), digest(row, valid), crcs, copy);
        } finally {
            lock.unlock();
        }
    }

    private static ByteBuffer copy(ByteBuffer data) {
        return ByteBuffer.allocate(data.remaining()).put(data).flip();
    }

    private static long digest(Row row, int valid) {
        return new Row(row.slot(), valid, row.zero(), row.crcs(), row.lastIndex()).digest();
    }

    private static RowExport listed(RowKey key, Row row) {
        return new RowExport(
                key, row.valid(), row.zero(), row.lastIndex(), row.digest(), null, null);
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            if (files != null) {
                files.close();
            }
            onClose.run();
        }
    }
}
