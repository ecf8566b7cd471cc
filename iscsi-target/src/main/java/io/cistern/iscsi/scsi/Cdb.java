package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;

/// The fields of a command descriptor block, by byte offset, big-endian, unsigned.
final class Cdb {
    private final ByteBuffer bytes;

    Cdb(ByteBuffer bytes) {
        this.bytes = bytes;
    }

    int length() {
        return bytes.limit();
    }

    int u8(int offset) {
        return bytes.get(offset) & 0xff;
    }

    int u16(int offset) {
        return bytes.getShort(offset) & 0xffff;
    }

    int u24(int offset) {
        return u8(offset) << 16 | u16(offset + 1);
    }

    long u32(int offset) {
        return bytes.getInt(offset) & 0xffffffffL;
    }

    /// As it stands: negative where it is 2^63 or more.
    long u64(int offset) {
        return bytes.getLong(offset);
    }

    boolean bit(int offset, int bit) {
        return (bytes.get(offset) >> bit & 1) != 0;
    }

    int operationCode() {
        return u8(0);
    }

    /// Bits 4 to 0 of byte 1.
    int serviceAction() {
        return u8(1) & 0x1f;
    }
}
