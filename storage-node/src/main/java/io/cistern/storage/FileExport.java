package io.cistern.storage;

import io.cistern.storage.FilePage.FileRow;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksIterator;

/// The rows of a group's shares as a checkpoint wrote them, for a copy. Rows are worked out from
/// one another, so unlike blocks they must be of the very position that the log is replayed from.
final class FileExport implements AutoCloseable {
    private final MapDb.Frozen frozen;
    private final long group;

    FileExport(MapDb.Frozen frozen, long group) {
        this.frozen = frozen;
        this.group = group;
    }

    /// The rows behind `after`, up to about `maxBytes`.
    FilePage page(byte @Nullable [] after, int maxBytes, boolean contents) {
        List<FileRow> rows = new ArrayList<>();
        FilePage.Digest digest = new FilePage.Digest();
        long bytes = 0;
        byte[] last = null;
        try (RocksIterator it = frozen.iterator()) {
            byte[] from =
                    after == null ? Keys.of(group, FileKeys.CONTENT) : Keys.inGroup(group, after);
            it.seek(from);
            if (after != null && it.isValid() && Arrays.equals(it.key(), from)) {
                it.next();
            }
            while (it.isValid() && Keys.group(it.key()) == group) {
                if (!FileKeys.isFile(Keys.kind(it.key()))) {
                    if (Keys.kind(it.key()) > FileKeys.OWN) {
                        break;
                    }
                    it.seek(Keys.of(group, FileKeys.OWN));
                    continue;
                }
                if (bytes >= maxBytes) {
                    last = rows.getLast().key();
                    break;
                }
                FileRow row = new FileRow(it.key(), it.value());
                rows.add(row);
                digest.add(row.key(), row.value());
                bytes += 16 + row.key().length + row.value().length;
                it.next();
            }
            frozen.verify(it);
        }
        return new FilePage(after, last, digest.value(), contents ? rows : null);
    }

    @Override
    public void close() {
        frozen.close();
    }
}
