package io.cistern.block;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/// CRC32C (Castagnoli, RFC 3720 appendix B.4), the checksum of every block, frame and file here.
public final class Crc32c {
    /// The checksum of a block of 4096 zeroes.
    public static final int ZERO_BLOCK = of(ByteBuffer.allocate(BlockDevice.BLOCK_BYTES));

    private Crc32c() {}

    /// The checksum of `data`'s remaining bytes; its position is not changed.
    public static int of(ByteBuffer data) {
        CRC32C crc = new CRC32C();
        crc.update(data.duplicate());
        return (int) crc.getValue();
    }

    public static int of(byte[] data, int offset, int length) {
        CRC32C crc = new CRC32C();
        crc.update(data, offset, length);
        return (int) crc.getValue();
    }

    /// One checksum per 4 KiB block of `data`, whose remaining length is a multiple of 4096.
    public static int[] ofBlocks(ByteBuffer data) {
        int blocks = data.remaining() / BlockDevice.BLOCK_BYTES;
        int[] crcs = new int[blocks];
        CRC32C crc = new CRC32C();
        ByteBuffer view = data.duplicate();
        int start = data.position();
        for (int i = 0; i < blocks; i++) {
            view.limit(start + (i + 1) * BlockDevice.BLOCK_BYTES)
                    .position(start + i * BlockDevice.BLOCK_BYTES);
            crc.reset();
            crc.update(view);
            crcs[i] = (int) crc.getValue();
        }
        return crcs;
    }
}
