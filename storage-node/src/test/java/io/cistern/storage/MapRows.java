package io.cistern.storage;

import java.nio.file.Path;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;

/// The rows of one branch in a map of their own, for tests.
final class MapRows implements AutoCloseable {
    final FileRows rows;
    final Branch branch = new Branch(7);
    private final MapDb db;

    MapRows(Path directory, long group) {
        db =
                MapDb.create(
                        directory.resolve("map"),
                        (message, cause) -> {
                            throw new AssertionError(message, cause);
                        });
        rows = new FileRows(db, group);
        branch.head = Branch.FIRST_EPOCH;
    }

    /// Writes what has changed into the map.
    void checkpoint() {
        try (WriteBatch batch = new WriteBatch()) {
            FileRows.write(rows.freeze(), batch);
            db.write(batch);
        } catch (RocksDBException e) {
            throw new AssertionError(e);
        }
        rows.thawed();
    }

    @Override
    public void close() {
        db.close();
    }
}
