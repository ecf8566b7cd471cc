package io.cistern.block.fs.engine;

import java.nio.ByteBuffer;

/// A share's data space as changes write it: 8 EiB, thin, in blocks of 4 KiB. What was never
/// written reads as zeroes.
public interface BlockSpace {
    /// @param offset multiple of 4096
    /// @param crcs one per block of `data`
    void write(long offset, int[] crcs, ByteBuffer data);

    /// Makes the range read as zeroes and frees it. Whole blocks.
    void zero(long offset, long length);
}
