package io.cistern.block.fs.engine;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileSystem;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/// Changes of a file's contents. Beyond its size a file has no data: the rest of its last block is
/// zero and whole blocks behind it are not allocated.
final class DataOps {
    /// Longest range that one entry allocates: 16 GiB.
    static final long MAX_ALLOCATED = 16L << 30;

    private static final int BLOCK = BlockDevice.BLOCK_BYTES;

    private final Change change;

    DataOps(Change change) {
        this.change = change;
    }

    static void checkSize(long size) {
        end(size, 0);
    }

    private static long end(long offset, long length) {
        if (offset < 0 || length < 0 || offset > FileSystem.MAX_FILE_BYTES - length) {
            throw new FileException(
                    FileError.TOO_LARGE,
                    "a file ends at " + FileSystem.MAX_FILE_BYTES + " at the latest");
        }
        return offset + length;
    }

    private static long down(long offset) {
        return offset & -BLOCK;
    }

    private static long up(long offset) {
        return down(offset + BLOCK - 1);
    }

    /// Reply: [count], before, after.
    Reply write(FileOp.Write op) {
        Inode inode = change.regular(op.file());
        Attributes before = Change.of(inode);
        Permissions.checkData(inode, change.who, Permissions.WRITE);
        long end = end(op.offset(), op.length());
        if (op.length() == 0) {
            return Reply.of(List.of(0L), before, before);
        }
        checkBrought(down(op.offset()), end);
        for (Blocks b : change.blocks) {
            put(inode, b);
        }
        inode.size = Math.max(inode.size, end);
        written(inode);
        return Reply.of(List.of((long) op.length()), before, Change.of(inode));
    }

    private void checkBrought(long from, long end) {
        long at = from;
        for (Blocks b : change.blocks) {
            if (b.offset() != at || b.data().remaining() != b.crcs().length * BLOCK) {
                throw outdated();
            }
            at += b.data().remaining();
        }
        if (at - BLOCK >= end || at < end) {
            throw outdated();
        }
    }

    /// The leader worked it out from something else than what is here now.
    private static CisternException outdated() {
        return new CisternException(
                ErrorCode.UNAVAILABLE,
                "the file changed while its blocks were prepared; ask again");
    }

    private void written(Inode inode) {
        if (!change.who.superuser()) {
            inode.mode = Permissions.afterWrite(inode.mode);
        }
        change.modified(inode);
        change.save(inode);
    }

    private void put(Inode inode, Blocks b) {
        int done = 0;
        while (done < b.crcs().length) {
            long offset = b.offset() + (long) done * BLOCK;
            long index = Extents.index(offset);
            long within = offset - Extents.start(index);
            long room = (Extents.length(Extents.classOf(index)) - within) / BLOCK;
            int count = (int) Math.min(b.crcs().length - done, room);
            long address = address(inode, index) + within;
            use(inode, address, count);
            ByteBuffer data = b.data().slice(b.data().position() + done * BLOCK, count * BLOCK);
            change.tx.write(address, Arrays.copyOfRange(b.crcs(), done, done + count), data);
            done += count;
        }
    }

    private long address(Inode inode, long index) {
        return Extents.take(change.tx, change.share, inode, index) << Extents.GRANULE_SHIFT;
    }

    /// Counts blocks as allocated.
    private void use(Inode inode, long address, long blocks) {
        long added = BlockBits.set(change.tx, address >> BlockBits.BLOCK_SHIFT, blocks);
        inode.usedBlocks += added;
        change.share.usedBlocks += added;
        long quota = change.share.quota;
        if (added > 0 && quota > 0 && change.share.usedBlocks > quota / BLOCK) {
            throw new FileException(
                    FileError.QUOTA, "the share's quota of " + quota + " bytes is used up");
        }
    }

    // ---- size

    /// Sets the size. Whole extents beyond it are given up; within the extent it falls into at most
    /// `maxChunks` stretches of 16 MiB are freed, from the end on.
    ///
    /// @return false where that was not enough: the file is as short as it got so far
    boolean resize(Inode inode, long size, int maxChunks) {
        checkSize(size);
        long reached = size;
        if (size < inode.size) {
            reached = cut(inode, size, maxChunks);
        }
        inode.size = reached;
        if (!change.who.superuser()) {
            inode.mode = Permissions.afterWrite(inode.mode);
        }
        change.modified(inode);
        return reached == size;
    }

    private long cut(Inode inode, long size, int maxChunks) {
        if (size == 0) {
            Extents.giveUpFrom(change.tx, inode, 0);
            release(inode, inode.usedBlocks);
            return 0;
        }
        long index = Extents.index(size);
        long kept = Extents.start(index) == size ? index - 1 : index;
        long beyond = kept + 1;
        if (beyond <= Extents.NEAR) {
            long used = usedFrom(inode, beyond);
            Extents.giveUpFrom(change.tx, inode, beyond);
            release(inode, used);
        } else {
            long reached = cutFar(inode, beyond, maxChunks);
            if (reached > size) {
                return reached;
            }
        }
        return cutWithin(inode, kept, size, maxChunks);
    }

    /// Blocks used by extents from `index` on, reckoned by what the others use.
    private long usedFrom(Inode inode, long index) {
        long used = 0;
        for (long i = 0; i < Math.min(index, inode.extents.length); i++) {
            long granule = inode.extents[(int) i];
            if (granule >= 0) {
                long block = granule << Extents.GRANULE_SHIFT - BlockBits.BLOCK_SHIFT;
                long count = Extents.length(Extents.classOf(i)) / BLOCK;
                used += count(block, block + count);
            }
        }
        return inode.usedBlocks - used;
    }

    private long count(long from, long to) {
        long set = 0;
        try (Rows.RowCursor rows = BlockBits.chunks(change.tx, from >> BlockBits.CHUNK_SHIFT)) {
            while (rows.next()) {
                long base = RowKeys.first(rows.key()) << BlockBits.CHUNK_SHIFT;
                if (base >= to) {
                    break;
                }
                BitSet bits = BitSet.valueOf(rows.value());
                int low = (int) Math.max(0, from - base);
                int high = (int) Math.min(BlockBits.CHUNK_BLOCKS, to - base);
                set += bits.get(low, high).cardinality();
            }
        }
        return set;
    }

    /// Gives up extents beyond 2 TiB, the last first, at most `max` of them.
    private long cutFar(Inode inode, long from, int max) {
        if (inode.farMap == 0) {
            return 0;
        }
        ArrayDeque<byte[]> last = new ArrayDeque<>();
        boolean more = false;
        byte[] after = RowKeys.far(inode.farMap, from - 1);
        try (Rows.RowCursor rows = change.tx.scan(RowKeys.farMap(inode.farMap), after)) {
            while (rows.next()) {
                last.add(rows.key());
                if (last.size() > max) {
                    last.remove();
                    more = true;
                }
            }
        }
        long lowest = Long.MAX_VALUE;
        for (byte[] key : last) {
            long index = RowKeys.second(key);
            lowest = Math.min(lowest, index);
            long granule = Extents.find(change.tx, inode, index);
            long block = granule << Extents.GRANULE_SHIFT - BlockBits.BLOCK_SHIFT;
            release(inode, count(block, block + Extents.length(Extents.TOP_CLASS) / BLOCK));
            Extents.giveUp(change.tx, granule);
            change.tx.delete(key);
        }
        return more ? Extents.start(lowest) : 0;
    }

    private long cutWithin(Inode inode, long index, long size, int maxChunks) {
        long granule = Extents.find(change.tx, inode, index);
        if (granule < 0) {
            return size;
        }
        long start = Extents.start(index);
        long first = granule << Extents.GRANULE_SHIFT - BlockBits.BLOCK_SHIFT;
        long end = first + Extents.length(Extents.classOf(index)) / BLOCK;
        long from = first + (up(size) - start) / BLOCK;
        long reached = size;
        if (from < end) {
            long low = BlockBits.lastChunks(change.tx, from, end, maxChunks);
            if (low > from) {
                reached = start + (low - first) * BLOCK;
                from = low;
            }
            release(inode, BlockBits.clear(change.tx, from, end));
        }
        if (reached == size && size % BLOCK != 0) {
            replaceEdge(inode, down(size));
        }
        return reached;
    }

    private void release(Inode inode, long blocks) {
        inode.usedBlocks -= blocks;
        change.share.usedBlocks -= blocks;
    }

    /// Writes the block that the leader brought for `offset`, if there is one to be replaced.
    private void replaceEdge(Inode inode, long offset) {
        long index = Extents.index(offset);
        long granule = Extents.find(change.tx, inode, index);
        if (granule < 0) {
            return;
        }
        long address = (granule << Extents.GRANULE_SHIFT) + offset - Extents.start(index);
        if (!BlockBits.isSet(change.tx, address >> BlockBits.BLOCK_SHIFT)) {
            return;
        }
        for (Blocks b : change.blocks) {
            if (b.offset() == offset && b.crcs().length == 1) {
                change.tx.write(address, b.crcs(), b.data());
                return;
            }
        }
        throw outdated();
    }

    // ---- ranges

    /// Reply: before, after.
    Reply allocate(FileOp.Allocate op) {
        Inode inode = change.regular(op.file());
        Attributes before = Change.of(inode);
        Permissions.checkData(inode, change.who, Permissions.WRITE);
        long end = end(op.offset(), op.length());
        if (op.length() == 0) {
            return Reply.of(before, before);
        }
        if (op.length() > MAX_ALLOCATED) {
            throw new FileException(
                    FileError.LIMIT, "at most " + MAX_ALLOCATED + " bytes are allocated at a time");
        }
        long at = down(op.offset());
        while (at < end) {
            long index = Extents.index(at);
            long within = at - Extents.start(index);
            long room = Extents.length(Extents.classOf(index)) - within;
            long bytes = Math.min(room, up(end - at));
            use(inode, address(inode, index) + within, Math.ceilDiv(bytes, (long) BLOCK));
            at += bytes;
        }
        inode.size = Math.max(inode.size, end);
        written(inode);
        return Reply.of(before, Change.of(inode));
    }

    /// Reply: [where to go on, or the end], before, after.
    Reply deallocate(FileOp.Deallocate op) {
        Inode inode = change.regular(op.file());
        Attributes before = Change.of(inode);
        Permissions.checkData(inode, change.who, Permissions.WRITE);
        long end = Math.min(end(op.offset(), op.length()), inode.size);
        long at = op.offset();
        if (at >= end) {
            return Reply.of(List.of(op.offset() + op.length()), before, before);
        }
        if (at % BLOCK != 0) {
            replaceEdge(inode, down(at));
        }
        boolean tail = end % BLOCK != 0 && end < inode.size;
        if (tail && down(end) >= up(at)) {
            replaceEdge(inode, down(end));
        }
        long last = tail ? down(end) : up(end);
        long reached = punch(inode, up(at), last);
        written(inode);
        boolean done = reached >= last;
        return Reply.of(
                List.of(done ? op.offset() + op.length() : reached), before, Change.of(inode));
    }

    /// Frees whole blocks of `[from, to)`, at most [AttributeOps#MAX_CHUNKS] stretches.
    private long punch(Inode inode, long from, long to) {
        long at = from;
        long left = AttributeOps.MAX_CHUNKS * BlockBits.CHUNK_BYTES;
        while (at < to && left > 0) {
            long index = Extents.index(at);
            long start = Extents.start(index);
            long length = Extents.length(Extents.classOf(index));
            long stop = length > to - start ? to : start + length;
            long granule = Extents.find(change.tx, inode, index);
            if (granule >= 0 && at == start && stop - start == length) {
                long block = granule << Extents.GRANULE_SHIFT - BlockBits.BLOCK_SHIFT;
                release(inode, count(block, block + length / BLOCK));
                Extents.giveUp(change.tx, inode, index, granule);
                left -= BlockBits.CHUNK_BYTES;
            } else if (granule >= 0) {
                stop = Math.min(stop, at + left);
                long address = (granule << Extents.GRANULE_SHIFT) + at - start;
                release(
                        inode,
                        BlockBits.clear(
                                change.tx,
                                address >> BlockBits.BLOCK_SHIFT,
                                address + stop - at >> BlockBits.BLOCK_SHIFT));
                left -= stop - at;
            } else if (index >= Extents.NEAR) {
                left -= BlockBits.CHUNK_BYTES / 64;
            }
            at = stop;
        }
        return at;
    }
}
