package io.cistern.vmdisk.vhost;

import io.cistern.block.BlockDevice;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// The block device's configuration space (VIRTIO 1.2, 5.2.4).
final class BlockConfig {
    static final int SECTOR_BYTES = 512;

    /// Data segments of one request: QEMU's default ring of 128 less header and status.
    static final int SEG_MAX = 126;

    /// Longest range of one discard or write-zeroes segment, in sectors: 2 GiB.
    static final int MAX_ZERO_SECTORS = 1 << 22;

    /// Segments of one discard or write-zeroes request.
    static final int MAX_ZERO_SEGMENTS = 64;

    /// Where `writeback` is: the only field that a guest may write.
    static final int WRITEBACK_OFFSET = 32;

    private static final int BLOCK_SECTORS = BlockDevice.BLOCK_BYTES / SECTOR_BYTES;
    private static final int BLOCK_EXPONENT = Integer.numberOfTrailingZeros(BLOCK_SECTORS);

    /// In sectors: 64 KiB, what the engine allocates.
    private static final int OPTIMAL_IO_SECTORS = 128;

    private BlockConfig() {}

    /// The whole space; beyond the fields that are known it is zero.
    static ByteBuffer encode(long sizeBytes, boolean writeback, int queues) {
        ByteBuffer out =
                ByteBuffer.allocate(Payload.Config.MAX_CONTENT_BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN);
        out.putLong(sizeBytes / SECTOR_BYTES);
        out.putInt(0); // size_max: not offered
        out.putInt(SEG_MAX);
        out.putInt(0); // geometry: not offered
        out.putInt(SECTOR_BYTES);
        out.put((byte) BLOCK_EXPONENT).put((byte) 0);
        out.putShort((short) BLOCK_SECTORS).putInt(OPTIMAL_IO_SECTORS);
        out.put((byte) (writeback ? 1 : 0)).put((byte) 0);
        out.putShort((short) queues);
        out.putInt(MAX_ZERO_SECTORS).putInt(MAX_ZERO_SEGMENTS).putInt(BLOCK_SECTORS);
        out.putInt(MAX_ZERO_SECTORS).putInt(MAX_ZERO_SEGMENTS).put((byte) 1);
        return out.clear();
    }
}
