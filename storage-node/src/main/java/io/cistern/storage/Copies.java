package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.LogPosition;
import io.cistern.storage.FilePage.FileRow;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/// Hands a store's contents to another replica, and takes another's.
final class Copies {
    private final StoreState state;
    private final BlockMap map;
    private final FileRows files;
    private final Table table;
    private final BlockReader reader;
    private final Importer importer;
    private final Checkpoints checkpoints;

    /// What is copied.
    record Contents(BlockMap map, FileRows files, Table table, BlockReader reader) {}

    /// The store's checkpoints.
    interface Checkpoints {
        /// The one under way, null if none is.
        @Nullable CompletableFuture<LogPosition> running();

        /// Begins one; the store's lock is held, none is under way, no entry is half applied.
        ///
        /// @param written see [Checkpointer#begin]
        CompletableFuture<LogPosition> begin(Runnable written);

        /// One that holds everything done so far. Blocks.
        void now();

        /// Waits for one to end, and fails as it did.
        void await(CompletableFuture<LogPosition> running);
    }

    Copies(StoreState state, Contents contents, Checkpoints checkpoints) {
        this.state = state;
        this.map = contents.map;
        this.files = contents.files;
        this.table = contents.table;
        this.reader = contents.reader;
        this.importer = new Importer(map, table, state);
        this.checkpoints = checkpoints;
    }

    StoreExport export() {
        AtomicReference<MapDb.@Nullable Frozen> frozen = new AtomicReference<>();
        while (true) {
            CompletableFuture<LogPosition> before = checkpoints.running();
            if (before != null) {
                checkpoints.await(before);
            }
            CompletableFuture<LogPosition> written;
            LogPosition position;
            ByteBuffer copy;
            state.lock.lock();
            try {
                while (!state.betweenEntries()) {
                    state.entryEnded.awaitUninterruptibly();
                }
                state.checkReadable();
                if (checkpoints.running() != null) {
                    continue;
                }
                position = state.applied;
                copy = TableCopy.encode(table, position);
                written =
                        files.isEmpty()
                                ? CompletableFuture.completedFuture(position)
                                : checkpoints.begin(() -> frozen.set(map.db().freeze()));
                state.exports++;
            } finally {
                state.lock.unlock();
            }
            try {
                checkpoints.await(written);
            } catch (RuntimeException e) {
                exportClosed();
                throw e;
            }
            MapDb.Frozen rows = frozen.get();
            return new Exporter(
                    new Damage(map, table),
                    reader,
                    position,
                    copy,
                    rows == null ? null : new FileExport(rows, state.group),
                    () -> state.latestIndex,
                    this::exportClosed);
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
            state.checkOpen();
            state.importing = true;
            map.invalidateAll();
        } finally {
            state.lock.unlock();
        }
        checkpoints.now();
    }

    List<RowKey> page(ExportPage page) {
        checkImporting();
        List<RowKey> wanted = importer.page(page, checkpoints::now);
        relieve();
        return wanted;
    }

    void rows(List<RowExport> rows) {
        checkImporting();
        importer.rows(rows, checkpoints::now);
        relieve();
    }

    boolean files(FilePage page) {
        checkImporting();
        List<FileRow> rows = page.rows();
        if (rows == null) {
            FilePage.Digest digest = new FilePage.Digest();
            files.range(page.after(), page.last(), digest::add);
            return digest.value() != page.digest();
        }
        TreeMap<byte[], byte[]> wanted = new TreeMap<>(Arrays::compareUnsigned);
        for (FileRow row : rows) {
            if (row.key().length <= FileKeys.HEAD
                    || !FileKeys.isFile(Keys.kind(row.key()))
                    || row.value().length == 0) {
                throw new CisternException(
                        ErrorCode.CORRUPT, "a page of a copied replica has no share's row");
            }
            wanted.put(Keys.inGroup(state.group, row.key()), row.value());
        }
        List<byte[]> gone = new ArrayList<>();
        files.range(
                page.after(),
                page.last(),
                (key, stored) -> {
                    byte[] value = wanted.get(key);
                    if (value == null) {
                        gone.add(key);
                    } else if (Arrays.equals(value, stored)) {
                        wanted.remove(key);
                    }
                });
        state.lock.lock();
        try {
            state.checkOpen();
            files.change(() -> {
                gone.forEach(key -> files.store(key, FileLayer.DELETED));
                wanted.forEach(files::store);
            });
        } finally {
            state.lock.unlock();
        }
        relieve();
        return false;
    }

    private void checkImporting() {
        if (!state.importing) {
            throw new IllegalStateException("group " + state.group + ": no import has begun");
        }
    }

    /// Writes out what an import has brought before it takes too much memory.
    private void relieve() {
        if (CheckpointPolicy.full(map, files)) {
            checkpoints.now();
        }
    }

    LogPosition end(ByteBuffer tableCopy, long newest) {
        checkImporting();
        TableCopy copy = TableCopy.decode(tableCopy, state.group);
        LogPosition at = copy.position();
        state.lock.lock();
        try {
            state.checkOpen();
            importer.install(copy);
            state.applied = at;
            state.latestIndex = at.index();
            state.readableFrom = newest > at.index() ? newest : -1;
            state.importing = false;
            map.invalidateAll();
        } finally {
            state.lock.unlock();
        }
        checkpoints.now();
        return at;
    }
}
