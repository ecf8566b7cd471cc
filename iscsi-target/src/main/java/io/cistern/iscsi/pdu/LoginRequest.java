package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// A login request (RFC 7143 11.12).
///
/// @param isid 48 bits
/// @param tsih 0 for a new session
public record LoginRequest(
        LoginStage stage,
        int versionMax,
        int versionMin,
        long isid,
        int tsih,
        int itt,
        int cid,
        int cmdSn,
        int expStatSn,
        ByteBuf data)
        implements Pdu {
    @Override
    public int opcode() {
        return Opcode.LOGIN_REQUEST;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode() | Opcode.IMMEDIATE);
        stage.encode(h);
        h.setByte(2, versionMax).setByte(3, versionMin);
        h.setShort(8, (int) (isid >>> 32)).setInt(10, (int) isid).setShort(14, tsih);
        h.setInt(16, itt).setShort(20, cid).setInt(24, cmdSn).setInt(28, expStatSn);
    }

    static LoginRequest decode(ByteBuf h, ByteBuf data) {
        return new LoginRequest(
                LoginStage.decode(h),
                h.getUnsignedByte(2),
                h.getUnsignedByte(3),
                (long) h.getUnsignedShort(8) << 32 | h.getUnsignedInt(10),
                h.getUnsignedShort(14),
                h.getInt(16),
                h.getUnsignedShort(20),
                h.getInt(24),
                h.getInt(28),
                data);
    }
}
