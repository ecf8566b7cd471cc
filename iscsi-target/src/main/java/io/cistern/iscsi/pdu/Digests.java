package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;
import java.util.zip.CRC32C;

/// Which digests the PDUs of a connection carry (RFC 7143 13.1). CRC32C, least significant byte
/// first on the wire.
public record Digests(boolean header, boolean data) {
    public static final Digests NONE = new Digests(false, false);

    static final int BYTES = 4;

    /// The CRC32C of `length` bytes at `index`.
    static int of(ByteBuf bytes, int index, int length) {
        CRC32C crc = new CRC32C();
        update(crc, bytes, index, length);
        return (int) crc.getValue();
    }

    static void update(CRC32C crc, ByteBuf bytes, int index, int length) {
        if (bytes.nioBufferCount() == 1) {
            crc.update(bytes.nioBuffer(index, length));
        } else {
            for (java.nio.ByteBuffer part : bytes.nioBuffers(index, length)) {
                crc.update(part);
            }
        }
    }
}
