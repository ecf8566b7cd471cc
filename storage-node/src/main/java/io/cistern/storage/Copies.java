package io.cistern.storage;

import io.cistern.raft.LogPosition;
import java.nio.ByteBuffer;
import java.util.List;

/// Hands a store's contents to another replica, and takes another's.
final class Copies {
    private final StoreState state;
    private final BlockMap map;
    private final Table table;
    private final BlockReader reader;
    private final Importer importer;

    /// A checkpoint that holds everything done so far.
    private final Runnable checkpoint;

    Copies(StoreState state, BlockMap map, Table table, BlockReader reader, Runnable checkpoint) {
        this.state = state;
        this.map = map;
        this.table = table;
        this.reader = reader;
        this.importer = new Importer(map, table, state.lock);
        this.checkpoint = checkpoint;
    }

    StoreExport export() {
        state.lock.lock();
        try {
            while (!state.betweenEntries()) {
                state.entryEnded.awaitUninterruptibly();
            }
            state.checkReadable();
            state.exports++;
            return new Exporter(
                    new Damage(map, table),
                    reader,
                    state.applied,
                    TableCopy.encode(table, state.applied),
                    () -> state.latestIndex,
                    this::exportClosed);
        } finally {
            state.lock.unlock();
        }
    }

    private void exportClosed() {
        state.lock.lock();
        try {
            state.exports--;
        } finally {
            state.lock.unlock();
        }
    }

    void begin() {
        state.lock.lock();
        try {
            state.importing = true;
            map.invalidateAll();
        } finally {
            state.lock.unlock();
        }
        checkpoint.run();
    }

    List<RowKey> page(ExportPage page) {
        checkImporting();
        List<RowKey> wanted = importer.page(page, checkpoint);
        relieve();
        return wanted;
    }

    void rows(List<RowExport> rows) {
        checkImporting();
        importer.rows(rows, checkpoint);
        relieve();
    }

    private void checkImporting() {
        if (!state.importing) {
            throw new IllegalStateException("group " + state.group + ": no import has begun");
        }
    }

    /// Writes out what an import has brought before it takes too much memory.
    private void relieve() {
        if (map.dirtyRows() >= GroupStore.DUE_ROWS || map.freedSlots() >= GroupStore.DUE_FREED) {
            checkpoint.run();
        }
    }

    LogPosition end(ByteBuffer tableCopy, long newest) {
        checkImporting();
        TableCopy copy = TableCopy.decode(tableCopy, state.group);
        LogPosition at = copy.position();
        state.lock.lock();
        try {
            importer.install(copy);
            state.applied = at;
            state.latestIndex = at.index();
            state.readableFrom = newest > at.index() ? newest : -1;
            state.importing = false;
            map.invalidateAll();
        } finally {
            state.lock.unlock();
        }
        checkpoint.run();
        return at;
    }
}
