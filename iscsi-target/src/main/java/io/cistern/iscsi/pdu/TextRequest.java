package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// A text request (RFC 7143 11.10).
///
/// @param last F: the initiator has nothing more to ask
/// @param more C: the text goes on in the next PDU
/// @param ttt NO_TAG to begin a negotiation, else what the target sent
public record TextRequest(
        boolean immediate,
        boolean last,
        boolean more,
        long lun,
        int itt,
        int ttt,
        int cmdSn,
        int expStatSn,
        ByteBuf data)
        implements Pdu {
    @Override
    public int opcode() {
        return Opcode.TEXT_REQUEST;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode() | (immediate ? Opcode.IMMEDIATE : 0));
        h.setByte(1, (last ? 0x80 : 0) | (more ? 0x40 : 0));
        h.setLong(8, lun).setInt(16, itt).setInt(20, ttt);
        h.setInt(24, cmdSn).setInt(28, expStatSn);
    }

    static TextRequest decode(ByteBuf h, ByteBuf data) {
        return new TextRequest(
                (h.getByte(0) & Opcode.IMMEDIATE) != 0,
                (h.getByte(1) & 0x80) != 0,
                (h.getByte(1) & 0x40) != 0,
                h.getLong(8),
                h.getInt(16),
                h.getInt(20),
                h.getInt(24),
                h.getInt(28),
                data);
    }
}
