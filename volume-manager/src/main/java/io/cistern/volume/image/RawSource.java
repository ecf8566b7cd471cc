package io.cistern.volume.image;

import io.cistern.volume.Images.Format;
import io.cistern.volume.Images.ImageInfo;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// A raw image: the file's bytes are the disk's.
final class RawSource implements ImageSource {
    private final ImageFile file;
    private final SparseMap map;

    RawSource(ImageFile file) {
        this.file = file;
        this.map = new SparseMap(file.path(), file.length());
    }

    @Override
    public ImageInfo info() {
        long data = 0;
        for (Data d = next(0); d != null; d = next(d.offset() + d.length())) {
            data += d.length();
        }
        return new ImageInfo(Format.RAW, file.length(), data, "raw");
    }

    @Override
    public long sizeBytes() {
        return file.length();
    }

    @Override
    public @Nullable Data next(long offset) {
        long from = map.data(offset);
        return from < 0 ? null : new Data(from, map.hole(from) - from);
    }

    @Override
    public void read(long offset, ByteBuffer dst) {
        file.read(offset, dst);
    }

    @Override
    public void close() {
        map.close();
        file.close();
    }
}
