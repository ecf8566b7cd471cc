package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.volume.VolumeDevice;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletionException;

/// Writes a device from its beginning until there is no space, a MiB at a time, and knows what has
/// to be where.
final class Filler {
    private static final int MIB = 1 << 20;

    private final VolumeDevice device;
    private final Map<Long, Long> values = new HashMap<>();
    private long next;

    Filler(VolumeDevice device) {
        this.device = device;
    }

    /// Writes on behind what was written until there is no space.
    ///
    /// @return how many MiB were written
    long fill() {
        long from = next;
        for (; (next + 1) * MIB <= device.sizeBytes(); next++) {
            try {
                write(next);
            } catch (CompletionException e) {
                CisternException failure = CisternException.of(e);
                assertThat(failure.code()).as(failure.toString()).isEqualTo(ErrorCode.NO_SPACE);
                values.remove(next++); // in part, perhaps: not looked at
                return next - 1 - from;
            }
        }
        return next - from;
    }

    /// Writes that many more MiB, for which there must be space.
    void fill(long count) {
        for (long end = next + count; next < end; next++) {
            write(next);
        }
    }

    private void write(long mib) {
        long value = values.getOrDefault(mib, mib << 8) + 1;
        ByteBuffer bytes = ByteBuffer.allocate(MIB);
        while (bytes.hasRemaining()) {
            bytes.putLong(value);
        }
        device.write(mib * MIB, bytes.flip()).join();
        values.put(mib, value);
    }

    /// What is allocated already can be written, however full the pool is.
    void overwrite(long first, long count) {
        for (long mib = first; mib < first + count; mib++) {
            write(mib);
        }
    }

    void discard(long first, long count) {
        long end = Math.min((first + count) * MIB, device.sizeBytes());
        device.discard(first * MIB, end - first * MIB).join();
        values.keySet().removeIf(mib -> mib >= first && mib < first + count);
    }

    /// Reads everything back.
    void check() {
        ByteBuffer bytes = ByteBuffer.allocate(MIB);
        values.forEach((mib, value) -> {
            device.read(mib * MIB, bytes.clear()).join();
            bytes.clear();
            while (bytes.hasRemaining()) {
                assertThat(bytes.getLong()).as("MiB %s", mib).isEqualTo(value);
            }
        });
    }
}
