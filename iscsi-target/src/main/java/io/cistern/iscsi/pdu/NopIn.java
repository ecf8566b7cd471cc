package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// An answer to a ping, or a ping of ours (RFC 7143 11.19).
///
/// @param itt of the NOP-Out that this answers, or NO_TAG
/// @param ttt NO_TAG: no answer is wanted
public record NopIn(long lun, int itt, int ttt, TargetNumbers numbers, ByteBuf data)
        implements Pdu {
    @Override
    public int opcode() {
        return Opcode.NOP_IN;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode()).setByte(1, Opcode.FINAL);
        h.setLong(8, lun).setInt(16, itt).setInt(20, ttt);
        numbers.encode(h);
    }

    static NopIn decode(ByteBuf h, ByteBuf data) {
        return new NopIn(h.getLong(8), h.getInt(16), h.getInt(20), TargetNumbers.decode(h), data);
    }
}
