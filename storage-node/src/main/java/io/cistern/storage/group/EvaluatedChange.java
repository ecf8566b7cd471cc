package io.cistern.storage.group;

import io.cistern.block.Crc32c;
import io.cistern.storage.Command;
import io.cistern.storage.Origin;
import io.cistern.storage.Slots;
import java.nio.ByteBuffer;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;

/// COMPARE AND WRITE and OR: what is written depends on what the range holds. The leader evaluates
/// that with the blocks to itself, and logs whole blocks for the term in which it did; or, where
/// the comparison failed, that it did ([Command.Settle]).
final class EvaluatedChange extends Change {
    private final AtomicWrite write;
    private final long firstByte;
    private final int bytes;

    /// What the blocks hold.
    private volatile ByteBuffer present = ByteBuffer.allocate(0);

    EvaluatedChange(WritePath path, long volume, Origin origin, AtomicWrite write) {
        super(path, volume, origin, write.offset(), write.data().remaining(), true);
        this.write = write;
        this.firstByte = Pieces.alignDown(offset);
        this.bytes = (int) (Pieces.alignUp(offset + length) - firstByte);
    }

    @Override
    int pieces() {
        return 1;
    }

    @Override
    int firstNumber() {
        return 0;
    }

    @Override
    long pieceOffset(int k) {
        return firstByte;
    }

    @Override
    long pieceLength(int k) {
        return bytes;
    }

    @Override
    long allocates(int k) {
        return Slots.touched(firstByte, bytes) * Slots.SLOT_BYTES;
    }

    @Override
    CompletableFuture<Void> readPresent() {
        return path.readAll(volume, firstByte, bytes).thenAccept(blocks -> present = blocks);
    }

    @Override
    Command piece(int k, Origin numbered) {
        ByteBuffer blocks = Objects.requireNonNull(present);
        blocks.clear();
        ByteBuffer range = blocks.slice((int) (offset - firstByte), (int) length);
        switch (write.kind()) {
            case WRITE -> throw new IllegalStateException("nothing to evaluate");
            case COMPARE -> {
                int differs = range.mismatch(write.expected());
                if (differs >= 0) {
                    return new Command.Settle(volume, numbered, evaluatedTerm(), differs + 1L);
                }
                range.put(0, write.data(), write.data().position(), (int) length);
            }
            case OR -> {
                ByteBuffer data = write.data();
                for (int i = 0; i < (int) length; i++) {
                    range.put(i, (byte) (range.get(i) | data.get(data.position() + i)));
                }
            }
        }
        return new Command.Write(
                volume,
                numbered,
                evaluatedTerm(),
                firstByte,
                Crc32c.ofBlocks(blocks),
                blocks,
                true);
    }
}
