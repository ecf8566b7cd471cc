package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// A text response (RFC 7143 11.11).
///
/// @param last F: the answer is complete
/// @param more C: the text goes on in the next PDU
/// @param ttt what the initiator's next request must carry, NO_TAG with `last`
public record TextResponse(
        boolean last, boolean more, long lun, int itt, int ttt, TargetNumbers numbers, ByteBuf data)
        implements Pdu {
    @Override
    public int opcode() {
        return Opcode.TEXT_RESPONSE;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode()).setByte(1, (last ? 0x80 : 0) | (more ? 0x40 : 0));
        h.setLong(8, lun).setInt(16, itt).setInt(20, ttt);
        numbers.encode(h);
    }

    static TextResponse decode(ByteBuf h, ByteBuf data) {
        return new TextResponse(
                (h.getByte(1) & 0x80) != 0,
                (h.getByte(1) & 0x40) != 0,
                h.getLong(8),
                h.getInt(16),
                h.getInt(20),
                TargetNumbers.decode(h),
                data);
    }
}
