package io.cistern.block.fs.engine;

import io.cistern.block.BlockDevice;
import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.engine.Rows.RowCursor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Reads files' contents.
final class FileReads {
    private static final int MAX_ATTEMPTS = 16;
    private static final byte[] ZEROES = new byte[BlockDevice.BLOCK_BYTES];

    private final Views views;

    FileReads(Views views) {
        this.views = views;
    }

    /// A stretch of a file in the data space.
    ///
    /// @param address -1: a hole
    record Piece(long address, int length) {}

    private record Found(Attributes file, int length, List<Piece> pieces) {}

    /// Reply: [end], file, data. The blocks are read while the file may change: where they turn out
    /// to have become another's meanwhile, they are read again.
    ///
    /// @param into for the data, at its beginning; null, or too small: a buffer of its own
    Reply read(FileQuery.Read q, @Nullable ByteBuffer into) {
        if (q.file().equals(FileId.SNAPSHOTS)) {
            throw new FileException(FileError.IS_DIRECTORY, "a directory is not read");
        }
        if (q.offset() < 0) {
            throw new FileException(FileError.INVALID, "negative offset");
        }
        for (int attempt = 1; ; attempt++) {
            long version = views.version();
            Found found = views.still(() -> find(q));
            ByteBuffer data =
                    into != null && into.capacity() >= found.length
                            ? into.clear().limit(found.length)
                            : ByteBuffer.allocate(found.length);
            fill(views.blocks(q.file().snapshot()), found.pieces, data);
            if (views.version() == version
                    || views.still(() -> find(q)).pieces.equals(found.pieces)
                    || attempt >= MAX_ATTEMPTS) {
                boolean end = q.offset() + found.length >= found.file.size();
                return Reply.of(List.of(end ? 1L : 0L), found.file).with(data.flip());
            }
        }
    }

    private Found find(FileQuery.Read q) {
        Rows rows = views.rows(q.file().snapshot());
        Inode inode = Lookups.load(rows, q.file());
        Lookups.checkRegular(inode);
        Permissions.checkData(inode, q.who(), Permissions.READ);
        long left = Math.max(0, inode.size - q.offset());
        int length = (int) Math.min(q.length(), left);
        return new Found(
                inode.attributes(q.file().snapshot()),
                length,
                pieces(rows, inode, q.offset(), length));
    }

    /// Where `[offset, offset + length)` is.
    static List<Piece> pieces(Rows rows, Inode inode, long offset, int length) {
        List<Piece> pieces = new ArrayList<>(2);
        int done = 0;
        while (done < length) {
            long at = offset + done;
            long index = Extents.index(at);
            long within = at - Extents.start(index);
            long room = Extents.length(Extents.classOf(index)) - within;
            int part = (int) Math.min(length - done, room);
            long granule = Extents.find(rows, inode, index);
            pieces.add(
                    new Piece(
                            granule < 0 ? -1 : (granule << Extents.GRANULE_SHIFT) + within, part));
            done += part;
        }
        return pieces;
    }

    /// Reads pieces one behind the other: every byte of `dst` is written, whatever it held before.
    static void fill(BlockReads blocks, List<Piece> pieces, ByteBuffer dst) {
        int end = dst.limit();
        for (Piece piece : pieces) {
            int stop = dst.position() + piece.length;
            dst.limit(stop);
            if (piece.address >= 0) {
                blocks.read(piece.address, dst);
            } else {
                while (dst.hasRemaining()) {
                    dst.put(ZEROES, 0, Math.min(dst.remaining(), ZEROES.length));
                }
            }
            dst.limit(end).position(stop);
        }
    }

    /// Reply: [offset].
    Reply seek(FileQuery.Seek q) {
        if (q.file().equals(FileId.SNAPSHOTS)) {
            throw new FileException(FileError.IS_DIRECTORY, "a directory is not read");
        }
        Rows rows = views.rows(q.file().snapshot());
        Inode inode = Lookups.load(rows, q.file());
        Lookups.checkRegular(inode);
        Permissions.checkData(inode, q.who(), Permissions.READ);
        if (q.offset() < 0 || q.offset() >= inode.size) {
            throw new FileException(FileError.NO_DATA, "the offset is not within the file");
        }
        long at = q.data() ? data(rows, inode, q.offset()) : hole(rows, inode, q.offset());
        if (q.data() && at >= inode.size) {
            throw new FileException(FileError.NO_DATA, "no data from " + q.offset() + " on");
        }
        return Reply.of(List.of(Math.min(at, inode.size)));
    }

    private static long data(Rows rows, Inode inode, long from) {
        long at = from;
        while (at < inode.size) {
            long index = Extents.index(at);
            if (index >= Extents.NEAR) {
                index = farFrom(rows, inode, index);
                if (index < 0) {
                    return inode.size;
                }
                at = Math.max(at, Extents.start(index));
            }
            long found = within(rows, inode, index, at, true);
            if (found >= 0) {
                return found;
            }
            at = Extents.start(index) + Extents.length(Extents.classOf(index));
            if (at < 0) {
                return inode.size;
            }
        }
        return inode.size;
    }

    private static long hole(Rows rows, Inode inode, long from) {
        long at = from;
        while (at < inode.size) {
            long index = Extents.index(at);
            if (Extents.find(rows, inode, index) < 0) {
                return at;
            }
            long found = within(rows, inode, index, at, false);
            if (found >= 0) {
                return found;
            }
            at = Extents.start(index) + Extents.length(Extents.classOf(index));
            if (at < 0) {
                return inode.size;
            }
        }
        return inode.size;
    }

    /// The first extent beyond 2 TiB from `index` on that the file has, -1 if none.
    private static long farFrom(Rows rows, Inode inode, long index) {
        if (inode.farMap == 0) {
            return -1;
        }
        byte[] after = RowKeys.far(inode.farMap, index - 1);
        try (RowCursor cursor = rows.scan(RowKeys.farMap(inode.farMap), after)) {
            return cursor.next() ? RowKeys.second(cursor.key()) : -1;
        }
    }

    /// The first offset from `at` on within an extent that is allocated, or is not; -1 if none.
    private static long within(Rows rows, Inode inode, long index, long at, boolean data) {
        long granule = Extents.find(rows, inode, index);
        if (granule < 0) {
            return -1;
        }
        long start = Extents.start(index);
        long first = granule << Extents.GRANULE_SHIFT - BlockBits.BLOCK_SHIFT;
        long end = first + (Extents.length(Extents.classOf(index)) >> BlockBits.BLOCK_SHIFT);
        long block = first + (at - start >> BlockBits.BLOCK_SHIFT);
        long found = BlockBits.next(rows, block, end, data);
        if (found >= end) {
            return -1;
        }
        return Math.max(at, start + (found - first) * BlockDevice.BLOCK_BYTES);
    }
}
