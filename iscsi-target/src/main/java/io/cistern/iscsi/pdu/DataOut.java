package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// Data of a write (RFC 7143 11.7).
///
/// @param last F: ends an unsolicited burst, or the answer to an R2T
/// @param ttt of the R2T that asked for it, NO_TAG for unsolicited data
/// @param bufferOffset of the data within the command's, 32 bits unsigned
public record DataOut(
        boolean last,
        long lun,
        int itt,
        int ttt,
        int expStatSn,
        int dataSn,
        int bufferOffset,
        ByteBuf data)
        implements Pdu {
    @Override
    public int opcode() {
        return Opcode.DATA_OUT;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode()).setByte(1, last ? Opcode.FINAL : 0);
        h.setLong(8, lun).setInt(16, itt).setInt(20, ttt).setInt(28, expStatSn);
        h.setInt(36, dataSn).setInt(40, bufferOffset);
    }

    static DataOut decode(ByteBuf h, ByteBuf data) {
        return new DataOut(
                (h.getByte(1) & Opcode.FINAL) != 0,
                h.getLong(8),
                h.getInt(16),
                h.getInt(20),
                h.getInt(28),
                h.getInt(36),
                h.getInt(40),
                data);
    }
}
