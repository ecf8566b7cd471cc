package org.apache.ratis.util;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;
import java.util.zip.Checksum;

/// CRC32C by the processor's own instructions, in the place of the class of this name in Ratis.
///
/// Ratis' log reader and writer create a `PureJavaCrc32C` and leave no way to give them another
/// checksum; its table look-ups cost about a millisecond per MiB, on every replica. This class has
/// the same methods and results, and stands before Ratis' on the class path because module `raft`
/// does. Where it does not, the log is the same, only slower, and RaftHost says so when it starts.
public class PureJavaCrc32C implements Checksum {
    private final CRC32C crc = new CRC32C();

    @Override
    public long getValue() {
        return crc.getValue();
    }

    @Override
    public void reset() {
        crc.reset();
    }

    @Override
    public void update(byte[] b, int off, int len) {
        crc.update(b, off, len);
    }

    /// Over the remaining bytes; position and limit stay, and as in the original the buffer is
    /// little-endian afterwards.
    @Override
    public void update(ByteBuffer b) {
        crc.update(b.duplicate());
        b.order(java.nio.ByteOrder.LITTLE_ENDIAN);
    }

    @Override
    public final void update(int b) {
        crc.update(b);
    }
}
