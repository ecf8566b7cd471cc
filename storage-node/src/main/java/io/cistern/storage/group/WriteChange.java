package io.cistern.storage.group;

import io.cistern.block.BlockDevice;
import io.cistern.block.Crc32c;
import io.cistern.storage.Command;
import io.cistern.storage.Origin;
import io.cistern.storage.Slots;
import java.nio.ByteBuffer;
import java.util.Objects;

/// A write request, or the part of one that travelled in one message.
final class WriteChange extends Change {
    private final ByteBuffer data;
    private final int firstNumber;
    private final long firstByte;
    private final long endByte;
    private final boolean atomic;

    /// @param data the bytes to write, not copied
    /// @param firstNumber number of the first piece in the request
    WriteChange(
            WritePath path,
            long volume,
            Origin origin,
            int firstNumber,
            long offset,
            ByteBuffer data) {
        this(path, volume, origin, firstNumber, offset, data, false);
    }

    /// A write that is one piece and that no reader sees a part of.
    static WriteChange atomic(
            WritePath path, long volume, Origin origin, long offset, ByteBuffer data) {
        WriteChange change = new WriteChange(path, volume, origin, 0, offset, data, true);
        if (change.pieces() != 1) {
            throw new IllegalArgumentException("an atomic write of " + change.length + " bytes");
        }
        return change;
    }

    private WriteChange(
            WritePath path,
            long volume,
            Origin origin,
            int firstNumber,
            long offset,
            ByteBuffer data,
            boolean atomic) {
        super(path, volume, origin, offset, data.remaining());
        this.data = data.slice();
        this.firstNumber = firstNumber;
        this.atomic = atomic;
        this.firstByte = Pieces.alignDown(offset);
        this.endByte = Pieces.alignUp(offset + data.remaining());
    }

    @Override
    int pieces() {
        return (int) ((endByte - firstByte + Pieces.WRITE_BYTES - 1) / Pieces.WRITE_BYTES);
    }

    @Override
    int firstNumber() {
        return firstNumber;
    }

    @Override
    long pieceOffset(int k) {
        return firstByte + (long) k * Pieces.WRITE_BYTES;
    }

    @Override
    long pieceLength(int k) {
        return Math.min(Pieces.WRITE_BYTES, endByte - pieceOffset(k));
    }

    @Override
    long allocates(int k) {
        return Slots.touched(pieceOffset(k), pieceLength(k)) * Slots.SLOT_BYTES;
    }

    @Override
    Command piece(int k, Origin numbered) {
        long from = pieceOffset(k);
        int bytes = (int) pieceLength(k);
        boolean first = k == 0 && firstPartial();
        boolean last = k == pieces() - 1 && lastPartial();
        ByteBuffer blocks;
        if (first || last) {
            blocks = merge(from, bytes, first, last);
        } else {
            blocks = data.slice((int) (from - offset), bytes);
        }
        return new Command.Write(
                volume,
                numbered,
                first || last ? evaluatedTerm() : 0,
                from,
                Crc32c.ofBlocks(blocks),
                blocks,
                atomic);
    }

    /// Whole blocks: the present ones at the edges with the new bytes over them.
    private ByteBuffer merge(long from, int bytes, boolean first, boolean last) {
        ByteBuffer merged = ByteBuffer.allocate(bytes);
        if (first) {
            merged.put(0, Objects.requireNonNull(firstBlock), 0, BlockDevice.BLOCK_BYTES);
        }
        if (last) {
            merged.put(
                    bytes - BlockDevice.BLOCK_BYTES,
                    Objects.requireNonNull(lastBlock),
                    0,
                    BlockDevice.BLOCK_BYTES);
        }
        long newFrom = Math.max(from, offset);
        long newEnd = Math.min(from + bytes, offset + length);
        merged.put(
                (int) (newFrom - from), data, (int) (newFrom - offset), (int) (newEnd - newFrom));
        return merged;
    }
}
