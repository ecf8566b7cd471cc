package io.cistern.raft;

import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// One entry as Ratis lays it into a segment file.
///
/// ```
/// frame = length entry checksum
/// length   = protobuf varint, bytes of `entry`, at least 1
/// entry    = protobuf LogEntryProto; field 1 is the term, field 2 the index, each left out if 0
/// checksum = u32, big-endian: CRC32C of `length` and `entry`
/// ```
///
/// @param offset where it begins in the file
/// @param end where it ends
record LogFrame(int offset, int end, long term, long index) {
    /// Longest entry that is believed: the largest command with room for what is around it.
    static final int MAX_ENTRY_BYTES = RaftGroup.MAX_COMMAND_BYTES + (64 << 10);

    static final int CHECKSUM_BYTES = 4;

    private static final int MAX_LENGTH_BYTES = 5;

    private static final int TERM_TAG = 1 << 3;
    private static final int INDEX_TAG = 2 << 3;

    /// The bytes of a frame as its length says, whether or not the checksum holds.
    ///
    /// @param entry where the entry begins
    /// @param end where the frame ends; may lie behind the end of the file
    record Extent(int offset, int entry, int end) {}

    /// The extent of a frame at `offset`; null if there is no believable length.
    static @Nullable Extent extent(byte[] file, int offset) {
        int length = 0;
        int at = offset;
        for (int shift = 0; ; shift += 7) {
            if (at >= file.length || shift > 28) {
                return null;
            }
            byte b = file[at++];
            length |= (b & 0x7f) << shift;
            if (b >= 0) {
                break;
            }
        }
        if (length <= 0 || length > MAX_ENTRY_BYTES) {
            return null;
        }
        return new Extent(offset, at, at + length + CHECKSUM_BYTES);
    }

    /// True if the file ends at `offset` or within the length of a frame there.
    static boolean endsInLength(byte[] file, int offset) {
        for (int at = offset; at < offset + MAX_LENGTH_BYTES; at++) {
            if (at >= file.length) {
                return true;
            }
            if (file[at] >= 0) {
                return false;
            }
        }
        return false;
    }

    /// The frame at `offset`, or null if there is no whole frame with the right checksum.
    static @Nullable LogFrame read(byte[] file, int offset) {
        Extent extent = extent(file, offset);
        if (extent == null || extent.end > file.length || syndrome(file, extent) != 0) {
            return null;
        }
        return parse(file, extent);
    }

    /// The difference between the stored and the computed checksum.
    static int syndrome(byte[] file, Extent extent) {
        int checksumAt = extent.end - CHECKSUM_BYTES;
        CRC32C crc = new CRC32C();
        crc.update(file, extent.offset, checksumAt - extent.offset);
        int stored =
                (file[checksumAt] & 0xff) << 24
                        | (file[checksumAt + 1] & 0xff) << 16
                        | (file[checksumAt + 2] & 0xff) << 8
                        | (file[checksumAt + 3] & 0xff);
        return stored ^ (int) crc.getValue();
    }

    /// True if the bytes look like the beginning of an entry of that term or later and an index
    /// within `(after, after + 2^20]`. Cheap: asked before a checksum is computed.
    static boolean plausible(byte[] file, Extent extent, long term, long after) {
        if (extent.end > file.length) {
            return false;
        }
        LogFrame frame = parse(file, extent);
        return frame != null
                && frame.term >= term
                && frame.index > after
                && frame.index <= after + (1 << 20);
    }

    private static @Nullable LogFrame parse(byte[] file, Extent extent) {
        int limit = extent.end - CHECKSUM_BYTES;
        int at = extent.entry;
        long term = 0;
        long index = 0;
        for (int tag : new int[] {TERM_TAG, INDEX_TAG}) {
            if (at < limit && file[at] == tag) {
                long value = 0;
                int shift = 0;
                at++;
                while (true) {
                    if (at >= limit || shift > 63) {
                        return null;
                    }
                    byte b = file[at++];
                    value |= (long) (b & 0x7f) << shift;
                    shift += 7;
                    if (b >= 0) {
                        break;
                    }
                }
                if (tag == TERM_TAG) {
                    term = value;
                } else {
                    index = value;
                }
            }
        }
        return new LogFrame(extent.offset, extent.end, term, index);
    }
}
