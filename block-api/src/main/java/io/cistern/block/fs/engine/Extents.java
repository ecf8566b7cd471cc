package io.cistern.block.fs.engine;

import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.engine.Rows.RowCursor;
import java.nio.ByteBuffer;
import java.util.Arrays;

/// Where a file's bytes are in the share's data space.
///
/// A file is cut at fixed places into extents that double: 64 KiB, 64 KiB, 128 KiB, 256 KiB … up to
/// 1 TiB at offset 1 TiB, and from 2 TiB on 1 TiB each. An extent of class c is 2^c granules of 64
/// KiB, at a multiple of its size in the part of the data space that belongs to the class: granule
/// `c << 42 | n << c`. It is taken when the first block in it is written. The data space being
/// thin, what an extent does not hold costs nothing, so there is nothing to fragment: small files
/// lie side by side, the largest file has 26 extents in its inode and a row for each TiB beyond,
/// and giving up a file's contents is giving up a few extents, to be emptied later.
final class Extents {
    static final int GRANULE_SHIFT = 16;
    static final int TOP_CLASS = 24;

    /// Extents that the inode itself lists: the first 2 TiB.
    static final int NEAR = 26;

    static final long NEAR_BYTES = 1L << (GRANULE_SHIFT + TOP_CLASS + 1);
    private static final int CLASS_SHIFT = 42;

    private Extents() {}

    /// Which extent of a file an offset is in.
    static long index(long offset) {
        if (offset >= NEAR_BYTES) {
            return NEAR + (offset - NEAR_BYTES >> GRANULE_SHIFT + TOP_CLASS);
        }
        return 64 - Long.numberOfLeadingZeros(offset >> GRANULE_SHIFT);
    }

    /// Where in a file an extent begins.
    static long start(long index) {
        if (index == 0) {
            return 0;
        }
        return index < NEAR
                ? 1L << GRANULE_SHIFT + index - 1
                : NEAR_BYTES + (index - NEAR << GRANULE_SHIFT + TOP_CLASS);
    }

    static int classOf(long index) {
        return index == 0 ? 0 : (int) Math.min(index - 1, TOP_CLASS);
    }

    static long length(int extentClass) {
        return 1L << GRANULE_SHIFT + extentClass;
    }

    /// The class of the extent at a granule.
    static int classAt(long granule) {
        return (int) (granule >>> CLASS_SHIFT);
    }

    /// The extent's first granule, -1 if the file has none there.
    static long find(Rows rows, Inode inode, long index) {
        if (index < NEAR) {
            return index < inode.extents.length ? inode.extents[(int) index] : -1;
        }
        byte[] row = inode.farMap == 0 ? null : rows.get(RowKeys.far(inode.farMap, index));
        return row == null ? -1 : ByteBuffer.wrap(row).getLong();
    }

    /// As [#find], taking an extent where there is none.
    static long take(Transaction tx, ShareRecord share, Inode inode, long index) {
        long found = find(tx, inode, index);
        if (found >= 0) {
            return found;
        }
        long granule = allocate(tx, classOf(index));
        set(tx, share, inode, index, granule);
        return granule;
    }

    private static void set(
            Transaction tx, ShareRecord share, Inode inode, long index, long granule) {
        if (index < NEAR) {
            int length = inode.extents.length;
            if (index >= length) {
                inode.extents = Arrays.copyOf(inode.extents, (int) index + 1);
                Arrays.fill(inode.extents, length, inode.extents.length, -1);
            }
            inode.extents[(int) index] = granule;
            return;
        }
        if (inode.farMap == 0) {
            inode.farMap = share.nextInode++;
        }
        tx.put(RowKeys.far(inode.farMap, index), number(granule));
    }

    private static byte[] number(long value) {
        return ByteBuffer.allocate(8).putLong(value).array();
    }

    private static long allocate(Transaction tx, int extentClass) {
        try (RowCursor free = tx.scan(RowKeys.free(extentClass), null)) {
            if (free.next()) {
                byte[] key = free.key();
                tx.delete(key);
                return ByteBuffer.wrap(key).getLong(2);
            }
        }
        byte[] key = RowKeys.next(extentClass);
        byte[] row = tx.get(key);
        long n = row == null ? 0 : ByteBuffer.wrap(row).getLong();
        if (n >= 1L << CLASS_SHIFT - extentClass) {
            throw new FileException(
                    FileError.NO_SPACE,
                    "the share has no more room for extents of " + length(extentClass) + " bytes");
        }
        tx.put(key, number(n + 1));
        return (long) extentClass << CLASS_SHIFT | n << extentClass;
    }

    /// Gives up an extent, to be emptied later.
    static void giveUp(Transaction tx, long granule) {
        tx.put(RowKeys.garbage(granule), number(0));
    }

    /// Gives up the extent that a file has at `index`.
    static void giveUp(Transaction tx, Inode inode, long index, long granule) {
        giveUp(tx, granule);
        if (index < NEAR) {
            inode.extents[(int) index] = -1;
        } else {
            tx.delete(RowKeys.far(inode.farMap, index));
        }
    }

    /// Gives up everything a file has from `index` on.
    static void giveUpFrom(Transaction tx, Inode inode, long index) {
        for (int i = (int) Math.min(index, NEAR); i < inode.extents.length; i++) {
            if (inode.extents[i] >= 0) {
                giveUp(tx, inode.extents[i]);
            }
        }
        if (index < inode.extents.length) {
            inode.extents = Arrays.copyOf(inode.extents, (int) index);
        }
        if (index <= NEAR && inode.farMap != 0) {
            tx.put(RowKeys.farGarbage(inode.farMap), new byte[0]);
            inode.farMap = 0;
        }
    }

    /// Puts an emptied extent where it is taken from again.
    static void recycle(Transaction tx, long granule) {
        tx.put(RowKeys.free(classAt(granule), granule), new byte[0]);
    }
}
