package io.cistern.block.fs.engine;

import java.nio.ByteBuffer;

/// A share's data space as a reader sees it at one point.
@FunctionalInterface
public interface BlockReads {
    /// Fills `dst` from `offset` of the data space; any alignment.
    void read(long offset, ByteBuffer dst);
}
