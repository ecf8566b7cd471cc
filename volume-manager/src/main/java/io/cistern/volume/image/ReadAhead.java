package io.cistern.volume.image;

import io.cistern.block.BlockDevice;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;

/// Reads stretches of a device with several requests in flight and writes them, in order and in
/// whole units, to an image. For one thread.
final class ReadAhead implements AutoCloseable {
    private record Pending(long offset, ByteBuffer buffer, CompletableFuture<Void> read) {}

    private final BlockDevice device;
    private final ImageSink sink;
    private final ProgressMeter meter;
    private final ArrayDeque<Pending> pending = new ArrayDeque<>();
    private final ArrayDeque<ByteBuffer> free = new ArrayDeque<>();

    /// Everything below has been asked for.
    private long asked;

    ReadAhead(BlockDevice device, ImageSink sink, ProgressMeter meter) {
        this.device = device;
        this.sink = sink;
        this.meter = meter;
    }

    /// Reads the units that `[offset, offset + length)` touches and that were not read before.
    void add(long offset, long length) {
        int unit = ImageSink.UNIT_BYTES;
        long end = Math.min(device.sizeBytes(), (offset + length + unit - 1) / unit * unit);
        long at = Math.max(asked, offset / unit * unit);
        while (at < end) {
            int bytes = (int) Math.min(Pipeline.BUFFER_BYTES, end - at);
            ByteBuffer buffer = free.poll();
            if (buffer == null) {
                buffer =
                        pending.size() < Pipeline.DEPTH
                                ? ByteBuffer.allocateDirect(Pipeline.BUFFER_BYTES)
                                : oldest();
            }
            buffer.clear().limit(bytes);
            pending.add(new Pending(at, buffer, device.read(at, buffer)));
            at += bytes;
            asked = at;
        }
    }

    /// Writes out the oldest stretch.
    private ByteBuffer oldest() {
        Pending first = pending.remove();
        Pipeline.get(first.read);
        ByteBuffer data = first.buffer;
        for (int at = 0; at < data.limit(); at += ImageSink.UNIT_BYTES) {
            int length = Math.min(ImageSink.UNIT_BYTES, data.limit() - at);
            if (!Pipeline.isZero(data, at, length)) {
                sink.write(first.offset + at, data.slice(at, length));
            }
        }
        meter.at(first.offset + data.limit());
        return data;
    }

    /// Writes out everything.
    void finish(long size) {
        while (!pending.isEmpty()) {
            free.add(oldest());
        }
        meter.at(size);
    }

    /// Waits until no buffer is in use.
    @Override
    public void close() {
        for (Pending p = pending.poll(); p != null; p = pending.poll()) {
            Pipeline.settle(p.read);
        }
    }
}
