package io.cistern.storage;

import io.cistern.block.ErrorCode;
import java.nio.ByteBuffer;

/// What one epoch of a branch holds of one granule. Immutable: a change is another row, published
/// after its data has been written.
///
/// ```
/// row := version:u8 (1) slot+1:varint valid:u16 zero:u16 lastIndex+1:varint crc:u32[bits in valid]
/// ```
///
/// @param slot where the blocks are, [Slots#NONE] if the row only masks
/// @param valid one bit per block stored here
/// @param zero one bit per block that reads as zeroes whatever lies below; disjoint from `valid`
/// @param crcs CRC32C by block number, 16 entries, 0 where not valid
/// @param lastIndex log index of the last change
record Row(long slot, int valid, int zero, int[] crcs, long lastIndex) {
    /// In memory layers: the row below in the map is gone.
    static final Row DELETED = new Row(Slots.NONE, 0, 0, new int[0], -1);

    static final int[] NO_CRCS = new int[Slots.BLOCKS];

    private static final int VERSION = 1;

    boolean hasSlot() {
        return slot != Slots.NONE;
    }

    /// Of valid, zero and the checksums of the valid blocks. Equal contents, equal digests.
    long digest() {
        long h = valid * 0x9E3779B97F4A7C15L + zero;
        for (int b = 0; b < Slots.BLOCKS; b++) {
            if ((valid & 1 << b) != 0) {
                h = (h ^ (crcs[b] & 0xffffffffL)) * 0xD6E8FEB86659FD93L;
                h ^= h >>> 32;
            }
        }
        return h;
    }

    byte[] encode() {
        ByteBuffer out = ByteBuffer.allocate(1 + 9 + 4 + 9 + 4 * Slots.BLOCKS);
        out.put((byte) VERSION);
        Bytes.putVarint(out, slot + 1);
        out.putShort((short) valid).putShort((short) zero);
        Bytes.putVarint(out, lastIndex + 1);
        for (int b = 0; b < Slots.BLOCKS; b++) {
            if ((valid & 1 << b) != 0) {
                out.putInt(crcs[b]);
            }
        }
        byte[] bytes = new byte[out.position()];
        out.get(0, bytes);
        return bytes;
    }

    /// @throws io.cistern.block.CisternException CORRUPT
    static Row decode(byte[] bytes) {
        Bytes in = new Bytes(ByteBuffer.wrap(bytes), "map row", ErrorCode.CORRUPT);
        int version = in.u8();
        if (version != VERSION) {
            throw in.bad("version " + version);
        }
        long slot = in.varint() - 1;
        int valid = in.u16();
        int zero = in.u16();
        long lastIndex = in.varint() - 1;
        int[] crcs = new int[Slots.BLOCKS];
        for (int b = 0; b < Slots.BLOCKS; b++) {
            if ((valid & 1 << b) != 0) {
                crcs[b] = in.i32();
            }
        }
        in.end();
        if ((valid & zero) != 0 || (slot == Slots.NONE && valid != 0)) {
            throw in.bad("slot " + slot + ", valid " + valid + ", zero " + zero);
        }
        return new Row(slot, valid, zero, crcs, lastIndex);
    }
}
