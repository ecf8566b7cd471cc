package io.cistern.storage;

import io.cistern.block.BlockDevice;
import io.cistern.block.fs.engine.Blocks;
import java.util.List;

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
            case Command.Write w ->
                    touched(w.offset(), (long) w.crcs().length * BlockDevice.BLOCK_BYTES);
            case Command.FileChange c -> mostOf(c.blocks());
            case Command.IfUnchanged c -> mostOf(c.command());
            default -> 0;
        };
    }

    /// Slots that blocks of a file may take.
    public static long mostOf(List<Blocks> blocks) {
        return blocks.stream().mapToLong(b -> touched(b.offset(), b.end() - b.offset())).sum();
    }

    /// Granules that a range of bytes touches, of which each has a slot to itself.
    public static long touched(long offset, long length) {
        return length == 0 ? 0 : (offset + length - 1) / SLOT_BYTES - offset / SLOT_BYTES + 1;
    }

    /// The bits of blocks `from` (inclusive) to `to` (exclusive) of a granule.
    static int bits(int from, int to) {
        return ((1 << to) - 1) & ~((1 << from) - 1);
    }
}
