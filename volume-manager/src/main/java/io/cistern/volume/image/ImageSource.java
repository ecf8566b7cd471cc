package io.cistern.volume.image;

import io.cistern.volume.Images.ImageInfo;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// An image that is being read. Not thread-safe.
interface ImageSource extends AutoCloseable {
    /// A stretch that holds data.
    record Data(long offset, long length) {}

    ImageInfo info();

    long sizeBytes();

    /// The first stretch with data at or after `offset`; null if only holes follow.
    @Nullable Data next(long offset);

    /// Fills `dst` from `offset`, holes with zeroes.
    ///
    /// @throws io.cistern.block.CisternException CORRUPT (truncated, damaged), IO
    void read(long offset, ByteBuffer dst);

    @Override
    void close();
}
