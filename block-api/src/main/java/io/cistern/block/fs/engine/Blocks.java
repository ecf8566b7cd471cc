package io.cistern.block.fs.engine;

import java.nio.ByteBuffer;

/// Whole blocks of a file that a change brings with it.
///
/// @param offset in the file, a multiple of 4096
/// @param crcs CRC32C of each block
/// @param data the blocks; read only
public record Blocks(long offset, int[] crcs, ByteBuffer data) {
    public long end() {
        return offset + (long) crcs.length * io.cistern.block.BlockDevice.BLOCK_BYTES;
    }
}
