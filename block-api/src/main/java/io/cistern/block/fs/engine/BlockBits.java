package io.cistern.block.fs.engine;

import io.cistern.block.BlockDevice;
import io.cistern.block.fs.engine.Rows.RowCursor;
import java.util.BitSet;

/// Which blocks of the data space count as allocated: one bit per 4 KiB, a row per 16 MiB that has
/// any. What a file uses, where its holes are, and the quota follow from it, not from the block
/// map, which may share, merge and lag behind.
///
/// ```
/// bits := byte[0..512]       bit n of byte b: block 8 * b + n; zero bytes at the end are left out
/// ```
final class BlockBits {
    static final int CHUNK_SHIFT = 12;
    static final int CHUNK_BLOCKS = 1 << CHUNK_SHIFT;
    static final int BLOCK_SHIFT = 12;
    static final long CHUNK_BYTES = (long) CHUNK_BLOCKS * BlockDevice.BLOCK_BYTES;

    private BlockBits() {}

    private static BitSet load(Rows rows, long chunk) {
        byte[] row = rows.get(RowKeys.bits(chunk));
        return row == null ? new BitSet() : BitSet.valueOf(row);
    }

    private static void store(Transaction tx, long chunk, BitSet bits) {
        if (bits.isEmpty()) {
            tx.delete(RowKeys.bits(chunk));
        } else {
            tx.put(RowKeys.bits(chunk), bits.toByteArray());
        }
    }

    /// Sets the bits of `count` blocks from `block` of the data space on.
    ///
    /// @return how many were not set
    static long set(Transaction tx, long block, long count) {
        long added = 0;
        long at = block;
        while (at < block + count) {
            long chunk = at >> CHUNK_SHIFT;
            int from = (int) (at & CHUNK_BLOCKS - 1);
            int to = (int) Math.min(CHUNK_BLOCKS, from + block + count - at);
            BitSet bits = load(tx, chunk);
            int before = bits.cardinality();
            bits.set(from, to);
            int more = bits.cardinality() - before;
            if (more > 0) {
                store(tx, chunk, bits);
            }
            added += more;
            at += to - from;
        }
        return added;
    }

    /// Clears the bits in `[from, to)` and zeroes those blocks. Cost in proportion to the chunks
    /// that have any.
    ///
    /// @return how many were set
    static long clear(Transaction tx, long from, long to) {
        long cleared = 0;
        long last = to - 1 >> CHUNK_SHIFT;
        try (RowCursor rows = chunks(tx, from >> CHUNK_SHIFT)) {
            while (rows.next()) {
                long chunk = RowKeys.first(rows.key());
                if (chunk > last) {
                    break;
                }
                cleared += clear(tx, chunk, BitSet.valueOf(rows.value()), from, to);
            }
        }
        return cleared;
    }

    private static long clear(Transaction tx, long chunk, BitSet bits, long from, long to) {
        long base = chunk << CHUNK_SHIFT;
        int low = (int) Math.max(0, from - base);
        int high = (int) Math.min(CHUNK_BLOCKS, to - base);
        int before = bits.cardinality();
        int first = bits.nextSetBit(low);
        if (first < 0 || first >= high) {
            return 0;
        }
        int end = bits.previousSetBit(high - 1) + 1;
        bits.clear(low, high);
        store(tx, chunk, bits);
        tx.zero(base + first << BLOCK_SHIFT, (long) (end - first) << BLOCK_SHIFT);
        return before - bits.cardinality();
    }

    /// Rows of chunks from `chunk` on.
    static RowCursor chunks(Rows rows, long chunk) {
        byte[] after = chunk == 0 ? null : RowKeys.bits(chunk - 1);
        return rows.scan(RowKeys.allBits(), after);
    }

    static boolean isSet(Rows rows, long block) {
        byte[] row = rows.get(RowKeys.bits(block >> CHUNK_SHIFT));
        int bit = (int) (block & CHUNK_BLOCKS - 1);
        return row != null && (bit >> 3) < row.length && (row[bit >> 3] >> (bit & 7) & 1) != 0;
    }

    /// The first block in `[from, to)` that is set, or not; `to` if there is none.
    static long next(Rows rows, long from, long to, boolean set) {
        long at = from;
        try (RowCursor cursor = chunks(rows, from >> CHUNK_SHIFT)) {
            while (at < to && cursor.next()) {
                long chunk = RowKeys.first(cursor.key());
                long base = chunk << CHUNK_SHIFT;
                if (base > at) {
                    if (!set || base >= to) {
                        return set ? to : at;
                    }
                    at = base;
                }
                BitSet bits = BitSet.valueOf(cursor.value());
                int bit = (int) (at - base);
                int found = set ? bits.nextSetBit(bit) : bits.nextClearBit(bit);
                if (found >= 0 && found < CHUNK_BLOCKS) {
                    return Math.min(to, base + found);
                }
                at = base + CHUNK_BLOCKS;
            }
        }
        return set ? to : Math.min(at, to);
    }

    /// The start of the earliest of the last `max` chunks that have bits in `[from, to)`; `from` if
    /// there are no more than that.
    static long lastChunks(Rows rows, long from, long to, int max) {
        long[] ring = new long[max];
        long count = 0;
        try (RowCursor cursor = chunks(rows, from >> CHUNK_SHIFT)) {
            while (cursor.next()) {
                long chunk = RowKeys.first(cursor.key());
                if (chunk > to - 1 >> CHUNK_SHIFT) {
                    break;
                }
                ring[(int) (count++ % max)] = chunk;
            }
        }
        return count <= max ? from : Math.max(from, ring[(int) (count % max)] << CHUNK_SHIFT);
    }
}
