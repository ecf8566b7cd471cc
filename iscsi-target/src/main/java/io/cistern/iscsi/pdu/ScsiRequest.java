package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;

/// A SCSI command (RFC 7143 11.3).
///
/// @param flags see the constants
/// @param expectedLength the Expected Data Transfer Length, 32 bits unsigned
/// @param cdb 16 to 260 bytes, shorter CDBs padded
/// @param readLength what a bidirectional command expects to read (11.2.2.4), 0 if not stated
public record ScsiRequest(
        Flags flags,
        long lun,
        int itt,
        int expectedLength,
        int cmdSn,
        int expStatSn,
        ByteBuffer cdb,
        int readLength,
        ByteBuf data)
        implements Pdu {
    /// Length of the CDB that the header itself has room for.
    public static final int CDB_BYTES = 16;

    /// Length of the longest CDB (SPC-4 4.2.1): an extended CDB.
    public static final int MAX_CDB_BYTES = 260;

    static final int AHS_EXTENDED_CDB = 1;
    static final int AHS_READ_LENGTH = 2;

    private static final int CDB_AT = 32;

    /// Bytes 0 and 1.
    ///
    /// @param last F: no unsolicited data follows
    /// @param attribute 0 untagged, 1 simple, 2 ordered, 3 head of queue, 4 ACA
    public record Flags(
            boolean immediate, boolean last, boolean read, boolean write, int attribute) {
        int encode() {
            return (last ? 0x80 : 0) | (read ? 0x40 : 0) | (write ? 0x20 : 0) | attribute;
        }

        static Flags decode(ByteBuf h) {
            int b = h.getByte(1);
            return new Flags(
                    (h.getByte(0) & Opcode.IMMEDIATE) != 0,
                    (b & 0x80) != 0,
                    (b & 0x40) != 0,
                    (b & 0x20) != 0,
                    b & 0x07);
        }
    }

    @Override
    public int opcode() {
        return Opcode.SCSI_REQUEST;
    }

    @Override
    public ByteBuf additionalHeader() {
        int extra = cdb.remaining() - CDB_BYTES;
        if (extra <= 0 && readLength == 0) {
            return Unpooled.EMPTY_BUFFER;
        }
        ByteBuf ahs = Unpooled.buffer();
        if (extra > 0) {
            ahs.writeShort(extra + 1).writeByte(AHS_EXTENDED_CDB).writeByte(0);
            ahs.writeBytes(cdb.slice(cdb.position() + CDB_BYTES, extra));
            ahs.writeZero(-extra & 3);
        }
        if (readLength != 0) {
            ahs.writeShort(5).writeByte(AHS_READ_LENGTH).writeByte(0).writeInt(readLength);
        }
        return ahs;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode() | (flags.immediate ? Opcode.IMMEDIATE : 0));
        h.setByte(1, flags.encode());
        h.setLong(8, lun).setInt(16, itt).setInt(20, expectedLength);
        h.setInt(24, cmdSn).setInt(28, expStatSn);
        h.setBytes(CDB_AT, cdb.slice(cdb.position(), Math.min(CDB_BYTES, cdb.remaining())));
    }

    /// @param ahs the additional header segments; malformed ones are told by an exception
    static ScsiRequest decode(ByteBuf h, ByteBuf ahs, ByteBuf data) throws MalformedPduException {
        byte[] cdb = new byte[CDB_BYTES];
        h.getBytes(CDB_AT, cdb);
        int readLength = 0;
        while (ahs.isReadable()) {
            if (ahs.readableBytes() < 4) {
                throw new MalformedPduException("an additional header segment is cut off");
            }
            int length = ahs.readUnsignedShort();
            int type = ahs.readUnsignedByte() & 0x3f;
            int padded = (length + 3 + 3) / 4 * 4 - 3;
            if (length < 1 || padded > ahs.readableBytes()) {
                throw new MalformedPduException(
                        "an additional header segment of " + length + " bytes is cut off");
            }
            ByteBuf body = ahs.readSlice(padded).slice(1, length - 1);
            if (type == AHS_EXTENDED_CDB) {
                cdb = extend(cdb, body);
            } else if (type == AHS_READ_LENGTH && body.readableBytes() == 4) {
                readLength = body.getInt(0);
            } else {
                throw new MalformedPduException("additional header segment of type " + type);
            }
        }
        return new ScsiRequest(
                Flags.decode(h),
                h.getLong(8),
                h.getInt(16),
                h.getInt(20),
                h.getInt(24),
                h.getInt(28),
                ByteBuffer.wrap(cdb),
                readLength,
                data);
    }

    private static byte[] extend(byte[] cdb, ByteBuf more) throws MalformedPduException {
        int length = CDB_BYTES + more.readableBytes();
        if (cdb.length != CDB_BYTES || length > MAX_CDB_BYTES) {
            throw new MalformedPduException("an extended CDB of " + length + " bytes");
        }
        byte[] all = java.util.Arrays.copyOf(cdb, length);
        more.getBytes(more.readerIndex(), all, CDB_BYTES, more.readableBytes());
        return all;
    }
}
