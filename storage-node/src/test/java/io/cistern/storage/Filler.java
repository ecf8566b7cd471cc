package io.cistern.storage;

import io.cistern.block.Crc32c;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import java.nio.ByteBuffer;

/// Brings a store into a known state.
final class Filler {
    static final long VOLUME = 1;

    private Filler() {}

    /// Applies one command as an entry of its own.
    static Outcome apply(Store store, Command command) {
        long index = store.applied().index() + 1;
        Outcome outcome = store.apply(index, 1, command);
        store.advance(index, 1);
        return outcome;
    }

    static Outcome attach(Store store, long volume) {
        long nonce = store.applied().index();
        return apply(
                store, new Command.Attach(volume, AttachMode.EXCLUSIVE, nonce, 1, "filler", 0));
    }

    /// Writes one block of a pattern.
    static Outcome write(Store store, long attachment, long block, int stamp) {
        ByteBuffer data = ByteBuffer.allocate(Model.BLOCK);
        Model.fill(data, stamp);
        data.flip();
        long seq = store.applied().index() + 1;
        return apply(
                store,
                new Command.Write(
                        VOLUME,
                        new Origin(attachment, seq, seq),
                        0,
                        block * Model.BLOCK,
                        Crc32c.ofBlocks(data),
                        data));
    }

    /// Writes the first block of each of a volume's first granules; creates the volume if needed.
    static void fill(Store store, int granules) {
        if (store.volume(VOLUME) == null) {
            apply(store, new Command.CreateVolume(VOLUME, 1L << 40, Limits.NONE, 0));
        }
        long attachment = attach(store, VOLUME).value();
        for (int g = 0; g < granules; g++) {
            write(store, attachment, (long) g * Slots.BLOCKS, g + 1);
        }
    }
}
