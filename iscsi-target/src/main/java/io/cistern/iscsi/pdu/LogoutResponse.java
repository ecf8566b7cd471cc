package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// The outcome of a logout (RFC 7143 11.15).
///
/// @param time2Wait seconds before the initiator may connect again
/// @param time2Retain seconds for which tasks could be reassigned
public record LogoutResponse(
        int response, int itt, TargetNumbers numbers, int time2Wait, int time2Retain)
        implements Pdu {
    public static final int CLOSED = 0;
    public static final int NO_CONNECTION = 1;
    public static final int RECOVERY_NOT_SUPPORTED = 2;

    @Override
    public int opcode() {
        return Opcode.LOGOUT_RESPONSE;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode()).setByte(1, Opcode.FINAL).setByte(2, response).setInt(16, itt);
        numbers.encode(h);
        h.setShort(40, time2Wait).setShort(42, time2Retain);
    }

    static LogoutResponse decode(ByteBuf h) {
        return new LogoutResponse(
                h.getUnsignedByte(2),
                h.getInt(16),
                TargetNumbers.decode(h),
                h.getUnsignedShort(40),
                h.getUnsignedShort(42));
    }
}
