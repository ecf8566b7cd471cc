package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// A logout request (RFC 7143 11.14).
///
/// @param reason see the constants
/// @param cid of the connection to close
public record LogoutRequest(
        boolean immediate, int reason, int itt, int cid, int cmdSn, int expStatSn) implements Pdu {
    public static final int CLOSE_SESSION = 0;
    public static final int CLOSE_CONNECTION = 1;
    public static final int REMOVE_FOR_RECOVERY = 2;

    @Override
    public int opcode() {
        return Opcode.LOGOUT_REQUEST;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode() | (immediate ? Opcode.IMMEDIATE : 0));
        h.setByte(1, Opcode.FINAL | reason).setInt(16, itt).setShort(20, cid);
        h.setInt(24, cmdSn).setInt(28, expStatSn);
    }

    static LogoutRequest decode(ByteBuf h) {
        return new LogoutRequest(
                (h.getByte(0) & Opcode.IMMEDIATE) != 0,
                h.getByte(1) & 0x7f,
                h.getInt(16),
                h.getUnsignedShort(20),
                h.getInt(24),
                h.getInt(28));
    }
}
