package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// A ping of the initiator, or its answer to one of ours (RFC 7143 11.18).
///
/// @param itt NO_TAG: no answer is wanted
/// @param ttt of the NOP-In that this answers, or NO_TAG
public record NopOut(
        boolean immediate, long lun, int itt, int ttt, int cmdSn, int expStatSn, ByteBuf data)
        implements Pdu {
    @Override
    public int opcode() {
        return Opcode.NOP_OUT;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode() | (immediate ? Opcode.IMMEDIATE : 0)).setByte(1, Opcode.FINAL);
        h.setLong(8, lun).setInt(16, itt).setInt(20, ttt);
        h.setInt(24, cmdSn).setInt(28, expStatSn);
    }

    static NopOut decode(ByteBuf h, ByteBuf data) {
        return new NopOut(
                (h.getByte(0) & Opcode.IMMEDIATE) != 0,
                h.getLong(8),
                h.getInt(16),
                h.getInt(20),
                h.getInt(24),
                h.getInt(28),
                data);
    }
}
