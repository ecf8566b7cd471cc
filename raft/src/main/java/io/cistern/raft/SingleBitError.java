package io.cistern.raft;

import org.jspecify.annotations.Nullable;

/// Finds out whether one flipped bit explains why a frame's checksum does not hold. If it does, the
/// frame was whole once: a write that was cut off practically never looks like that.
final class SingleBitError {
    private static final int POLYNOMIAL = 0x82F63B78; // CRC32C, reflected
    private static final int MAX_LENGTH_BYTES = 5;
    private static final int[] TABLE = table();

    private SingleBitError() {}

    private static int[] table() {
        int[] table = new int[256];
        for (int i = 0; i < 256; i++) {
            int crc = i;
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc & 1) != 0 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
            }
            table[i] = crc;
        }
        return table;
    }

    /// True if the frame at `offset` would be whole with one of its bits the other way.
    static boolean explains(byte[] file, int offset) {
        return lengthFlipped(file, offset) || contentFlipped(file, LogFrame.extent(file, offset));
    }

    private static boolean lengthFlipped(byte[] file, int offset) {
        int end = Math.min(file.length, offset + MAX_LENGTH_BYTES);
        for (int at = offset; at < end; at++) {
            for (int bit = 1; bit < 256; bit <<= 1) {
                file[at] ^= (byte) bit;
                LogFrame frame = LogFrame.read(file, offset);
                file[at] ^= (byte) bit;
                if (frame != null) {
                    return true;
                }
            }
        }
        return false;
    }

    private static boolean contentFlipped(byte[] file, LogFrame.@Nullable Extent extent) {
        if (extent == null || extent.end() > file.length) {
            return false;
        }
        int syndrome = LogFrame.syndrome(file, extent);
        if (Integer.bitCount(syndrome) == 1) {
            return true;
        }
        // A checksum is linear: a flipped bit changes it in a way that depends only on the bit and
        // on how many bytes follow.
        int bytes = extent.end() - LogFrame.CHECKSUM_BYTES - extent.offset();
        for (int bit = 1; bit < 256; bit <<= 1) {
            int difference = TABLE[bit];
            for (int following = 0; following < bytes; following++) {
                if (difference == syndrome) {
                    return true;
                }
                difference = (difference >>> 8) ^ TABLE[difference & 0xff];
            }
        }
        return false;
    }
}
