package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// A login response (RFC 7143 11.13).
///
/// @param isid 48 bits, as in the request
/// @param tsih of the session; 0 until its first login ends
/// @param status class and detail as 16 bits, 0 for success
public record LoginResponse(
        LoginStage stage,
        long isid,
        int tsih,
        int itt,
        TargetNumbers numbers,
        int status,
        ByteBuf data)
        implements Pdu {
    @Override
    public int opcode() {
        return Opcode.LOGIN_RESPONSE;
    }

    /// The only version there is, 0, is both the highest and the active one.
    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode());
        stage.encode(h);
        h.setShort(8, (int) (isid >>> 32)).setInt(10, (int) isid).setShort(14, tsih);
        h.setInt(16, itt);
        numbers.encode(h);
        h.setShort(36, status);
    }

    static LoginResponse decode(ByteBuf h, ByteBuf data) {
        return new LoginResponse(
                LoginStage.decode(h),
                (long) h.getUnsignedShort(8) << 32 | h.getUnsignedInt(10),
                h.getUnsignedShort(14),
                h.getInt(16),
                TargetNumbers.decode(h),
                h.getUnsignedShort(36),
                data);
    }
}
