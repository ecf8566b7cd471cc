package io.cistern.volume.image;

import java.nio.ByteBuffer;

/// Writes a raw, sparse file.
final class RawSink implements ImageSink {
    private final ImageFile file;
    private final long size;
    private long end;

    RawSink(ImageFile file, long size) {
        this.file = file;
        this.size = size;
    }

    @Override
    public void write(long offset, ByteBuffer data) {
        end = offset + data.remaining();
        file.write(offset, data);
    }

    @Override
    public void finish() {
        if (end < size) {
            file.write(size - 1, ByteBuffer.allocate(1));
        }
        file.force();
    }

    @Override
    public void close() {
        file.close();
    }
}
