package io.cistern.vmdisk;

import java.nio.ByteBuffer;

/// The fixed part of a request of the transmission phase.
///
/// @param flags command flags, 16 bits
/// @param type command, 16 bits
/// @param cookie opaque, repeated in the reply
/// @param offset in bytes; as unsigned on the wire, so a negative value is beyond every device
/// @param length in bytes, 0 to 2^32 - 1
record RequestHeader(int flags, int type, long cookie, long offset, long length) {

    /// Decodes the 28 bytes at index `at`. Does not move the buffer's position.
    ///
    /// @throws NbdException where the magic number is wrong: the stream is out of step
    static RequestHeader decode(ByteBuffer in, int at) throws NbdException {
        int magic = in.getInt(at);
        if (magic != NbdProtocol.REQUEST_MAGIC) {
            throw new NbdException(
                    "bad request magic 0x" + Integer.toHexString(magic) + ": not an NBD client");
        }
        return new RequestHeader(
                Short.toUnsignedInt(in.getShort(at + 4)),
                Short.toUnsignedInt(in.getShort(at + 6)),
                in.getLong(at + 8),
                in.getLong(at + 16),
                Integer.toUnsignedLong(in.getInt(at + 24)));
    }

    /// Writes the header at the buffer's position, as a client does.
    void encode(ByteBuffer out) {
        out.putInt(NbdProtocol.REQUEST_MAGIC)
                .putShort((short) flags)
                .putShort((short) type)
                .putLong(cookie)
                .putLong(offset)
                .putInt((int) length);
    }

    boolean has(int flag) {
        return (flags & flag) != 0;
    }

    /// True where the range lies within a device of that size.
    boolean within(long sizeBytes) {
        return offset >= 0 && offset <= sizeBytes && length <= sizeBytes - offset;
    }
}
