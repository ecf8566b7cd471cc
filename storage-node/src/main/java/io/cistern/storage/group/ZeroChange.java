package io.cistern.storage.group;

import io.cistern.block.BlockDevice;
import io.cistern.block.Crc32c;
import io.cistern.storage.Command;
import io.cistern.storage.Origin;
import io.cistern.storage.Slots;
import java.nio.ByteBuffer;
import java.util.Objects;

/// A zero request. Its pieces: the first block if it is zeroed in part, the last likewise, then the
/// whole blocks between them.
final class ZeroChange extends Change {
    /// A request of more pieces than this that overtakes earlier ones does not have each piece
    /// remembered: all but the last are unnumbered, and take effect again if the request is
    /// repeated before it was answered. So is one of more than [Pieces#MAX_PIECES] in any case.
    static final int MAX_NUMBERED = 1024;

    private final boolean unmap;
    private final int edges;
    private final long middle;
    private final long middleEnd;

    ZeroChange(
            WritePath path, long volume, Origin origin, long offset, long length, boolean unmap) {
        super(path, volume, origin, offset, length);
        this.unmap = unmap;
        this.edges = (firstPartial() ? 1 : 0) + (lastPartial() ? 1 : 0);
        this.middle = firstPartial() ? Pieces.alignDown(offset) + BlockDevice.BLOCK_BYTES : offset;
        this.middleEnd = Math.max(middle, Pieces.alignDown(offset + length));
    }

    @Override
    int pieces() {
        return edges + (int) ((middleEnd - middle + Pieces.ZERO_BYTES - 1) / Pieces.ZERO_BYTES);
    }

    @Override
    int firstNumber() {
        return 0;
    }

    @Override
    long pieceOffset(int k) {
        if (k >= edges) {
            return middle + (k - edges) * Pieces.ZERO_BYTES;
        }
        return Pieces.alignDown(k == 0 && firstPartial() ? offset : offset + length - 1);
    }

    @Override
    long pieceLength(int k) {
        return k < edges
                ? BlockDevice.BLOCK_BYTES
                : Math.min(Pieces.ZERO_BYTES, middleEnd - pieceOffset(k));
    }

    @Override
    boolean disowns(int k) {
        return k >= edges && unmap;
    }

    @Override
    long allocates(int k) {
        return k < edges ? Slots.touched(pieceOffset(k), pieceLength(k)) * Slots.SLOT_BYTES : 0;
    }

    @Override
    Command piece(int k, Origin numbered) {
        if (k < edges) {
            return edge(k, numbered);
        }
        boolean all = pieces() <= (oldest() ? Pieces.MAX_PIECES : MAX_NUMBERED);
        Origin sender =
                all || k == pieces() - 1
                        ? numbered
                        : new Origin(
                                numbered.attachment(), 0, numbered.doneBelow(), numbered.guard());
        return new Command.Zero(volume, sender, pieceOffset(k), pieceLength(k), unmap);
    }

    private Command edge(int k, Origin numbered) {
        long from = pieceOffset(k);
        ByteBuffer present =
                Objects.requireNonNull(k == 0 && firstPartial() ? firstBlock : lastBlock);
        ByteBuffer block = ByteBuffer.allocate(BlockDevice.BLOCK_BYTES);
        block.put(0, present, 0, BlockDevice.BLOCK_BYTES);
        int start = (int) (Math.max(offset, from) - from);
        int end = (int) (Math.min(offset + length, from + BlockDevice.BLOCK_BYTES) - from);
        block.put(start, new byte[end - start]);
        return new Command.Write(
                volume, numbered, evaluatedTerm(), from, Crc32c.ofBlocks(block), block);
    }
}
