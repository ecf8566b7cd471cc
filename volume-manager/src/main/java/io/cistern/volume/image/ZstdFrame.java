package io.cistern.volume.image;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// Where a zstd frame ends (RFC 8878, section 3.1.1), without decompressing it: qcow2 tells only in
/// which sector that is.
///
/// ```
/// magic u32 · descriptor u8 · window u8? · dictionary id 0, 1, 2 or 4 · content size 0, 1, 2, 4 or 8
/// blocks: header u24 (last 1 bit, type 2, size 21) · contents (1 byte for type 1)   · checksum u32?
/// ```
final class ZstdFrame {
    private static final int MAGIC = 0xfd2fb528;
    private static final int[] DICTIONARY_ID_BYTES = {0, 1, 2, 4};
    private static final int[] CONTENT_SIZE_BYTES = {0, 2, 4, 8};
    private static final int RUN_LENGTH = 1;
    private static final int RESERVED = 3;

    private ZstdFrame() {}

    /// Bytes of the frame that `in` begins with; -1 where there is no whole frame.
    static int length(ByteBuffer in) {
        ByteBuffer b = in.slice().order(ByteOrder.LITTLE_ENDIAN);
        if (b.limit() < 5 || b.getInt(0) != MAGIC) {
            return -1;
        }
        int descriptor = b.get(4) & 0xff;
        boolean single = (descriptor & 0x20) != 0;
        boolean checksum = (descriptor & 4) != 0;
        int content = CONTENT_SIZE_BYTES[descriptor >> 6];
        long at = 5 + (single ? 0 : 1) + DICTIONARY_ID_BYTES[descriptor & 3];
        at += single && content == 0 ? 1 : content;
        while (at + 3 <= b.limit()) {
            int p = (int) at;
            int header =
                    (b.get(p) & 0xff) | (b.get(p + 1) & 0xff) << 8 | (b.get(p + 2) & 0xff) << 16;
            int type = header >> 1 & 3;
            if (type == RESERVED) {
                return -1;
            }
            at += 3 + (type == RUN_LENGTH ? 1 : header >> 3);
            if ((header & 1) != 0) {
                at += checksum ? 4 : 0;
                return at <= b.limit() ? (int) at : -1;
            }
        }
        return -1;
    }
}
