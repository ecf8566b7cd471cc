package io.cistern.volume.image;

import java.nio.ByteBuffer;

/// An image that is being written, in ascending order. Not thread-safe.
interface ImageSink extends AutoCloseable {
    /// @param offset multiple of [#UNIT_BYTES], beyond what was written before
    /// @param data at most one unit, and only the image's last one may be shorter
    void write(long offset, ByteBuffer data);

    int UNIT_BYTES = 64 << 10;

    /// Completes the image; durable on return.
    void finish();

    /// Closes the file, complete or not.
    @Override
    void close();
}
