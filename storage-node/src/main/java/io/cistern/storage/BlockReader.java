package io.cistern.storage;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.CorruptBlocksException.Corrupt;
import io.cistern.storage.Resolved.Source;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// Reads verified bytes. Without a lock at first: rows are immutable and published after their
/// data, so that a checksum that does not match means either a write that is just replacing the
/// data, which a second look under the granule's lock sees completed, or damage.
final class BlockReader {
    private static final int BLOCK = BlockDevice.BLOCK_BYTES;
    private static final ByteBuffer ZEROES =
            ByteBuffer.allocateDirect(Slots.SLOT_BYTES).asReadOnlyBuffer();
    private static final ThreadLocal<ByteBuffer> SCRATCH =
            ThreadLocal.withInitial(() -> ByteBuffer.allocateDirect(BLOCK));
    private static final ThreadLocal<ByteBuffer> GRANULE =
            ThreadLocal.withInitial(() -> ByteBuffer.allocateDirect(Slots.SLOT_BYTES));

    private final BlockMap map;
    private final Table table;

    BlockReader(BlockMap map, Table table) {
        this.map = map;
        this.table = table;
    }

    BlockMap map() {
        return map;
    }

    /// The branch of a live view.
    ///
    /// @throws CisternException STALE
    Branch branch(View view) {
        Branch branch = table.branches.get(view.branch());
        if (branch == null || !branch.live(view.epoch())) {
            throw new CisternException(
                    ErrorCode.STALE,
                    "what " + view + " showed is gone: look the volume or snapshot up again");
        }
        return branch;
    }

    boolean tryRead(View view, long offset, ByteBuffer dst) {
        Branch branch = branch(view);
        if (view.epoch() != branch.head) {
            return false;
        }
        int start = dst.position();
        int end = dst.limit();
        long at = offset;
        while (dst.position() < end) {
            long granule = at / Slots.SLOT_BYTES;
            int within = (int) (at % Slots.SLOT_BYTES);
            int length = Math.min(Slots.SLOT_BYTES - within, end - dst.position());
            Resolved resolved = map.cached(branch, granule);
            if (resolved == null && map.nextGranule(branch, granule) == granule) {
                dst.position(start).limit(end);
                return false;
            }
            resolved = resolved == null ? Resolved.HOLE : resolved;
            if (fill(resolved, within, length, dst, true) != 0) {
                dst.position(start).limit(end);
                return false;
            }
            dst.limit(end);
            at += length;
        }
        branch(view);
        return true;
    }

    void read(View view, long offset, ByteBuffer dst) {
        Branch branch = branch(view);
        int end = dst.limit();
        long at = offset;
        List<Corrupt> corrupt = null;
        while (dst.position() < end) {
            long granule = at / Slots.SLOT_BYTES;
            int within = (int) (at % Slots.SLOT_BYTES);
            int length = Math.min(Slots.SLOT_BYTES - within, end - dst.position());
            int start = dst.position();
            Resolved resolved = lookUp(branch, view, granule);
            if (fill(resolved, within, length, dst, false) != 0) {
                dst.limit(end).position(start);
                List<Corrupt> found = again(branch, view, granule, within, length, dst);
                if (!found.isEmpty()) {
                    corrupt = corrupt == null ? new ArrayList<>() : corrupt;
                    corrupt.addAll(found);
                }
            }
            dst.limit(end).position(start + length);
            at += length;
        }
        branch(view);
        if (corrupt != null) {
            throw new CorruptBlocksException(corrupt);
        }
    }

    /// Reads once more with the granule at rest. Returns what is damaged.
    private List<Corrupt> again(
            Branch branch, View view, long granule, int within, int length, ByteBuffer dst) {
        ReentrantLock lock = map.lock(granule);
        lock.lock();
        try {
            Resolved resolved = resolve(branch, view, granule);
            int bad = fill(resolved, within, length, dst, false);
            return bad == 0 ? List.of() : corrupt(resolved, view, granule, bad);
        } finally {
            lock.unlock();
        }
    }

    static List<Corrupt> corrupt(Resolved resolved, View via, long granule, int bad) {
        List<Corrupt> found = new ArrayList<>();
        for (Source s : resolved.sources()) {
            int bits = s.data() & bad;
            if (bits != 0) {
                RowKey key = new RowKey(s.branch(), granule, s.epoch());
                found.add(new Corrupt(key, via, bits, s.row().lastIndex()));
            }
        }
        return found;
    }

    Resolved lookUp(Branch branch, View view, long granule) {
        if (view.epoch() == branch.head) {
            Resolved cached = map.cached(branch, granule);
            if (cached != null) {
                return cached;
            }
            if (map.nextGranule(branch, granule) != granule) {
                return Resolved.HOLE;
            }
        }
        ReentrantLock lock = map.lock(granule);
        lock.lock();
        try {
            return resolve(branch, view, granule);
        } finally {
            lock.unlock();
        }
    }

    /// With the granule's lock held.
    Resolved resolve(Branch branch, View view, long granule) {
        return view.epoch() == branch.head
                ? map.head(branch, granule)
                : map.resolve(branch, view.epoch(), granule);
    }

    /// Fills `length` bytes of a granule from `within` on into `dst` and moves its position; may
    /// leave its limit changed.
    ///
    /// @param tryOnly give up where the disk would be asked
    /// @return the bits of blocks that are damaged (or not in memory); 0: all is well
    int fill(Resolved resolved, int within, int length, ByteBuffer dst, boolean tryOnly) {
        int end = within + length;
        int base = dst.position() - within;
        int at = within;
        int bad = 0;
        while (at < end) {
            int block = at / BLOCK;
            Source source = resolved.of(block);
            int to = block + 1;
            while (to * BLOCK < end && source == resolved.of(to)) {
                to++;
            }
            int stop = Math.min(end, to * BLOCK);
            dst.limit(base + stop).position(base + at);
            if (source == null) {
                dst.put(ZEROES.duplicate().limit(stop - at));
            } else {
                int now = part(source.row(), at, stop, dst, tryOnly);
                if (now != 0 && tryOnly) {
                    return now;
                }
                bad |= now;
            }
            at = stop;
        }
        dst.limit(base + end).position(base + end);
        return bad;
    }

    /// As [#fill] for a stretch of one row.
    private int part(Row row, int from, int to, ByteBuffer dst, boolean tryOnly) {
        int bad = 0;
        int at = from;
        int base = dst.position() - from;
        if (at % BLOCK != 0) {
            int stop = Math.min(to, (at / BLOCK + 1) * BLOCK);
            bad |= piece(row, at, stop, dst.limit(base + stop).position(base + at), tryOnly);
            at = stop;
        }
        int whole = at + (to - at) / BLOCK * BLOCK;
        if (at < whole && (bad == 0 || !tryOnly)) {
            dst.limit(base + whole).position(base + at);
            bad |= blocks(row, at / BLOCK, dst, tryOnly);
            at = whole;
        }
        if (at < to && (bad == 0 || !tryOnly)) {
            bad |= piece(row, at, to, dst.limit(base + to).position(base + at), tryOnly);
        }
        return bad;
    }

    /// Part of one block.
    private int piece(Row row, int from, int to, ByteBuffer dst, boolean tryOnly) {
        int block = from / BLOCK;
        ByteBuffer whole = SCRATCH.get().clear();
        int bad = blocks(row, block, whole, tryOnly);
        if (bad == 0) {
            dst.put(dst.position(), whole, from - block * BLOCK, to - from);
        }
        return bad;
    }

    /// Whole blocks from `first` on into all of `dst`.
    private int blocks(Row row, int first, ByteBuffer dst, boolean tryOnly) {
        int start = dst.position();
        int count = dst.remaining() / BLOCK;
        int all = Slots.bits(first, first + count);
        if (tryOnly) {
            if (!map.area().tryRead(row.slot(), first * BLOCK, dst)) {
                return all;
            }
        } else {
            try {
                map.area().read(row.slot(), first * BLOCK, dst);
            } catch (IOException e) {
                // A sector that cannot be read is damage like any other: a peer has it.
                return all;
            }
        }
        return verify(row, first, dst, start);
    }

    /// Bits of the blocks from `first` on, at `start` in `data` up to its limit, that do not match.
    static int verify(Row row, int first, ByteBuffer data, int start) {
        int bad = 0;
        CRC32C crc = new CRC32C();
        int limit = data.limit();
        for (int at = start, b = first; at < limit; at += BLOCK, b++) {
            crc.reset();
            data.limit(at + BLOCK).position(at);
            crc.update(data);
            if ((int) crc.getValue() != row.crcs()[b]) {
                bad |= 1 << b;
            }
        }
        return bad;
    }

    /// Reads a row's blocks, verified, one behind the other.
    ///
    /// @param bits which; all valid
    /// @return the data, good until this thread's next call, or null with the damaged bits in
    ///   `bad[0]`
    @Nullable ByteBuffer rowData(Row row, int bits, int[] bad) {
        ByteBuffer data = GRANULE.get().clear();
        int total = Integer.bitCount(bits) * BLOCK;
        bad[0] = 0;
        for (int b = 0; b < Slots.BLOCKS; b++) {
            int from = b;
            while (b < Slots.BLOCKS && (bits & 1 << b) != 0) {
                b++;
            }
            if (b > from) {
                data.limit(data.position() + (b - from) * BLOCK);
                int end = data.limit();
                bad[0] |= blocks(row, from, data, false);
                data.limit(total).position(end);
            }
        }
        return bad[0] == 0 ? data.limit(total).position(0) : null;
    }

    /// Writes blocks that stand one behind the other in `data` to their places in a slot.
    static void writeBlocks(SlotArea area, long slot, int bits, ByteBuffer data) {
        ByteBuffer part = data.duplicate();
        int at = data.position();
        for (int b = 0; b < Slots.BLOCKS; b++) {
            int from = b;
            while (b < Slots.BLOCKS && (bits & 1 << b) != 0) {
                b++;
            }
            if (b > from) {
                int bytes = (b - from) * BLOCK;
                area.write(slot, from * BLOCK, part.limit(at + bytes).position(at));
                at += bytes;
            }
        }
    }
}
