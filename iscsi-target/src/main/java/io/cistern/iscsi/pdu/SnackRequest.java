package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// A selective negative acknowledgement (RFC 7143 11.16), which error recovery level 0 has no use
/// for.
public record SnackRequest(
        int type, long lun, int itt, int ttt, int expStatSn, int begRun, int runLength)
        implements Pdu {
    @Override
    public int opcode() {
        return Opcode.SNACK_REQUEST;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode()).setByte(1, Opcode.FINAL | type);
        h.setLong(8, lun).setInt(16, itt).setInt(20, ttt).setInt(28, expStatSn);
        h.setInt(40, begRun).setInt(44, runLength);
    }

    static SnackRequest decode(ByteBuf h) {
        return new SnackRequest(
                h.getByte(1) & 0x0f,
                h.getLong(8),
                h.getInt(16),
                h.getInt(20),
                h.getInt(28),
                h.getInt(40),
                h.getInt(44));
    }
}
