package io.cistern.block.fs.engine;

import io.cistern.block.fs.engine.Rows.RowCursor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Work left behind by files that have ended, a bounded piece of it per entry.
final class CleanOps {
    /// Most extents, orphans or rows of one piece.
    private static final int MAX_ITEMS = 256;

    /// Most 16 MiB stretches with data of one piece.
    private static final int MAX_CHUNKS = 16;

    private final Change change;

    CleanOps(Change change) {
        this.change = change;
    }

    /// Whether there is anything to do. Cheap.
    static boolean needed(Rows rows) {
        return any(rows, RowKeys.GARBAGE) || any(rows, RowKeys.FAR_GARBAGE);
    }

    private static boolean any(Rows rows, byte[] prefix) {
        try (RowCursor found = rows.scan(prefix, null)) {
            return found.next();
        }
    }

    /// Reply: [1: there is more to do].
    Reply clean() {
        endOrphans();
        spreadFar();
        emptyExtents();
        return Reply.of(List.of(needed(change.tx) ? 1L : 0L));
    }

    /// Files without a name that nothing holds: of a clone, or of a share that was rolled back.
    private void endOrphans() {
        List<byte[]> orphans = keys(RowKeys.ORPHANS, null, MAX_ITEMS);
        for (byte[] key : orphans) {
            long number = RowKeys.first(key);
            byte[] row = change.tx.get(RowKeys.inode(number));
            if (row != null && !change.held(number)) {
                change.endOrphan(Inode.decode(number, row));
            }
        }
    }

    private void spreadFar() {
        for (byte[] key : keys(RowKeys.FAR_GARBAGE, null, 1)) {
            byte[] map = RowKeys.farMap(RowKeys.first(key));
            List<byte[]> extents = keys(map, null, MAX_ITEMS);
            for (byte[] extent : extents) {
                byte[] row = change.tx.get(extent);
                if (row != null) {
                    Extents.giveUp(change.tx, ByteBuffer.wrap(row).getLong());
                }
                change.tx.delete(extent);
            }
            if (extents.size() < MAX_ITEMS) {
                change.tx.delete(key);
            }
        }
    }

    private void emptyExtents() {
        int chunks = MAX_CHUNKS;
        for (byte[] key : keys(RowKeys.GARBAGE, null, MAX_ITEMS)) {
            long granule = RowKeys.first(key);
            chunks = empty(granule, chunks);
            if (chunks <= 0) {
                return;
            }
            change.tx.delete(key);
            Extents.recycle(change.tx, granule);
        }
    }

    /// Frees an extent's blocks. At or below 0: stopped before the end.
    private int empty(long granule, int chunks) {
        long from = granule << Extents.GRANULE_SHIFT - BlockBits.BLOCK_SHIFT;
        long to = from + (Extents.length(Extents.classAt(granule)) >> BlockBits.BLOCK_SHIFT);
        List<Long> found = new ArrayList<>();
        try (RowCursor rows = BlockBits.chunks(change.tx, from >> BlockBits.CHUNK_SHIFT)) {
            while (found.size() < chunks && rows.next()) {
                long chunk = RowKeys.first(rows.key());
                if (chunk << BlockBits.CHUNK_SHIFT >= to) {
                    break;
                }
                found.add(chunk);
            }
        }
        for (long chunk : found) {
            long base = chunk << BlockBits.CHUNK_SHIFT;
            BlockBits.clear(
                    change.tx, Math.max(from, base), Math.min(to, base + BlockBits.CHUNK_BLOCKS));
        }
        boolean small = to - from < BlockBits.CHUNK_BLOCKS;
        return small ? chunks : chunks - found.size();
    }

    private List<byte[]> keys(byte[] prefix, byte @Nullable [] after, int max) {
        List<byte[]> keys = new ArrayList<>();
        try (RowCursor rows = change.tx.scan(prefix, after)) {
            while (keys.size() < max && rows.next()) {
                keys.add(rows.key());
            }
        }
        return keys;
    }
}
