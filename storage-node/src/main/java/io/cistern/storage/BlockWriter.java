package io.cistern.storage;

import io.cistern.block.BlockDevice;
import io.cistern.storage.BlockMap.Entry;
import io.cistern.storage.Resolved.Source;
import java.nio.ByteBuffer;
import java.util.concurrent.locks.ReentrantLock;

/// Applies writes and zeroes to a head. Called with the store's lock held.
///
/// A granule the head owns is overwritten in place: the row in RocksDB then no longer matches the
/// data, which only a crash shows, and the log behind the checkpoint puts right. Otherwise a new
/// slot takes just the written blocks; the rest is read through to older rows.
final class BlockWriter {
    private final BlockMap map;
    private final StoreState state;

    BlockWriter(BlockMap map, StoreState state) {
        this.map = map;
        this.state = state;
    }

    void write(Branch branch, long offset, int[] crcs, ByteBuffer data, long index) {
        long first = offset / BlockDevice.BLOCK_BYTES;
        int done = 0;
        ByteBuffer part = data.duplicate();
        while (done < crcs.length) {
            long block = first + done;
            int from = (int) (block % Slots.BLOCKS);
            int count = Math.min(Slots.BLOCKS - from, crcs.length - done);
            int at = data.position() + done * BlockDevice.BLOCK_BYTES;
            part.limit(at + count * BlockDevice.BLOCK_BYTES).position(at);
            writeGranule(
                    branch, block / Slots.BLOCKS, new Piece(from, count, crcs, done), part, index);
            done += count;
        }
    }

    /// Blocks `from` to `from + count` of a granule, whose checksums begin at `crcs[at]`.
    private record Piece(int from, int count, int[] crcs, int at) {}

    private void writeGranule(
            Branch branch, long granule, Piece piece, ByteBuffer data, long index) {
        int bits = Slots.bits(piece.from, piece.from + piece.count);
        ReentrantLock lock = map.lock(granule);
        lock.lock();
        try {
            Resolved before = adopt(branch, granule, map.head(branch, granule));
            int epoch = epoch(branch, before);
            Row own = before.own(branch.id, epoch);
            long slot = own == null || !own.hasSlot() ? map.allocate(branch) : own.slot();
            map.area().write(slot, piece.from * BlockDevice.BLOCK_BYTES, data);
            int[] crcs = own == null ? new int[Slots.BLOCKS] : own.crcs().clone();
            System.arraycopy(piece.crcs, piece.at, crcs, piece.from, piece.count);
            int valid = own == null ? bits : own.valid() | bits;
            int zero = own == null ? 0 : own.zero() & ~bits;
            Row row = new Row(slot, valid, zero, crcs, index);
            map.put(branch, new RowKey(branch.id, granule, epoch), row);
            map.publish(branch, granule, before.with(branch.id, epoch, row));
        } finally {
            lock.unlock();
        }
    }

    /// Cost in proportion to the granules that have rows.
    void zero(Branch branch, long offset, long length, boolean unmap, long index) {
        long first = offset / BlockDevice.BLOCK_BYTES;
        long end = first + length / BlockDevice.BLOCK_BYTES;
        long lastGranule = (end - 1) / Slots.BLOCKS;
        long g = map.nextGranule(branch, first / Slots.BLOCKS);
        while (g <= lastGranule) {
            int from = (int) Math.max(0, first - g * Slots.BLOCKS);
            int to = (int) Math.min(Slots.BLOCKS, end - g * Slots.BLOCKS);
            zeroGranule(branch, g, Slots.bits(from, to), unmap, index);
            g = map.nextGranule(branch, g + 1);
        }
    }

    private void zeroGranule(Branch branch, long granule, int bits, boolean unmap, long index) {
        ReentrantLock lock = map.lock(granule);
        lock.lock();
        try {
            Resolved before = adopt(branch, granule, map.head(branch, granule));
            int epoch = epoch(branch, before);
            RowKey key = new RowKey(branch.id, granule, epoch);
            Row own = before.own(branch.id, epoch);
            int below = below(branch, granule, before, epoch);
            if (own == null && (below & bits) == 0) {
                return;
            }
            int valid = own == null ? 0 : own.valid() & ~bits;
            int zero = (own == null ? 0 : own.zero() & ~bits) | (bits & below);
            long slot = own == null ? Slots.NONE : own.slot();
            if (slot != Slots.NONE && !unmap) {
                zero |= bits;
            } else if (slot != Slots.NONE && valid == 0) {
                map.free(branch, slot);
                slot = Slots.NONE;
                zero &= below;
            }
            if (slot == Slots.NONE && zero == 0) {
                drop(branch, key);
                return;
            }
            int[] crcs = own == null || valid == 0 ? Row.NO_CRCS : cleared(own.crcs(), bits);
            Row row = new Row(slot, valid, zero, crcs, index);
            map.put(branch, key, row);
            map.publish(branch, granule, before.with(branch.id, epoch, row));
        } finally {
            lock.unlock();
        }
    }

    /// Makes the newest row of the head's branch the head's own where no snapshot or clone tells
    /// the two apart any more. Without that a write would leave it below another, and a discard
    /// would only mask it, and nobody would look for such garbage before the next snapshot is
    /// deleted.
    private Resolved adopt(Branch branch, long granule, Resolved before) {
        if (!before.adoptable(branch)) {
            return before;
        }
        if (!state.rowsMayMove()) {
            return before;
        }
        Source old = before.sources()[0];
        map.delete(new RowKey(branch.id, granule, old.epoch()));
        map.put(branch, new RowKey(branch.id, granule, branch.head), old.row());
        Source[] sources = before.sources().clone();
        sources[0] = new Source(branch.id, branch.head, old.row(), old.data(), old.zeroes());
        Resolved adopted = new Resolved(sources);
        map.publish(branch, granule, adopted);
        return adopted;
    }

    /// Of the row that the head's changes go to: the head's own, or the one that [#adopt] had to
    /// leave. A leader lets overwrites into a full pool because it owns their slots; a replica that
    /// took others because it is just being copied would run out of them.
    private static int epoch(Branch branch, Resolved adopted) {
        return adopted.adoptable(branch) ? adopted.sources()[0].epoch() : branch.head;
    }

    private void drop(Branch branch, RowKey key) {
        map.delete(key);
        map.invalidate(branch, key.granule());
        if (map.rows(branch, key.granule()).isEmpty()) {
            branch.granules.remove(key.granule());
        }
    }

    private static int[] cleared(int[] crcs, int bits) {
        int[] copy = crcs.clone();
        for (int b = 0; b < Slots.BLOCKS; b++) {
            if ((bits & 1 << b) != 0) {
                copy[b] = 0;
            }
        }
        return copy;
    }

    /// Blocks that would hold data if the row of `epoch`, the newest, were not there.
    private int below(Branch branch, long granule, Resolved head, int epoch) {
        if (head.own(branch.id, epoch) == null) {
            return head.data();
        }
        if (branch.alone()) {
            for (Entry e : map.rows(branch, granule)) {
                if (e.key().epoch() < epoch) {
                    return map.resolve(branch, epoch - 1, granule).data();
                }
            }
            return 0;
        }
        return map.resolve(branch, epoch - 1, granule).data();
    }
}
