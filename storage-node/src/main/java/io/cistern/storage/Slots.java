package io.cistern.storage;

import io.cistern.block.BlockDevice;

/// Sizes of the data area.
public final class Slots {
    /// A slot holds one granule of a branch at one epoch. 64 KiB.
    public static final int SLOT_BYTES = 64 << 10;

    /// Blocks in a granule.
    public static final int BLOCKS = SLOT_BYTES / BlockDevice.BLOCK_BYTES;

    /// A granule's sixteen bits, all set.
    static final int ALL = (1 << BLOCKS) - 1;

    /// No slot: a row that only masks what lies below it.
    static final long NONE = -1;

    private Slots() {}

    /// Slots that a command may take, if its granules own none.
    static long mostOf(Command command) {
        return switch (command) {
            case Command.Write w -> touched(w.offset(), w.crcs().length);
            case Command.FileChange c ->
                    c.blocks().stream().mapToLong(b -> touched(b.offset(), b.crcs().length)).sum();
            default -> 0;
        };
    }

    private static long touched(long offset, int blocks) {
        if (blocks == 0) {
            return 0;
        }
        long first = offset / SLOT_BYTES;
        long last = (offset + (long) blocks * BlockDevice.BLOCK_BYTES - 1) / SLOT_BYTES;
        return last - first + 1;
    }

    /// The bits of blocks `from` (inclusive) to `to` (exclusive) of a granule.
    static int bits(int from, int to) {
        return ((1 << to) - 1) & ~((1 << from) - 1);
    }
}
