package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// Says that a PDU of the initiator was refused (RFC 7143 11.17).
///
/// @param reason see the constants
/// @param data the header of the refused PDU
public record Reject(int reason, TargetNumbers numbers, int dataSn, ByteBuf data) implements Pdu {
    public static final int DATA_DIGEST_ERROR = 0x02;
    public static final int SNACK_REJECT = 0x03;
    public static final int PROTOCOL_ERROR = 0x04;
    public static final int NOT_SUPPORTED = 0x05;
    public static final int TOO_MANY_IMMEDIATE = 0x06;
    public static final int TASK_IN_PROGRESS = 0x07;
    public static final int INVALID_FIELD = 0x09;
    public static final int WAITING_FOR_LOGOUT = 0x0c;

    @Override
    public int opcode() {
        return Opcode.REJECT;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode()).setByte(1, Opcode.FINAL).setByte(2, reason).setInt(16, NO_TAG);
        numbers.encode(h);
        h.setInt(36, dataSn);
    }

    static Reject decode(ByteBuf h, ByteBuf data) {
        return new Reject(h.getUnsignedByte(2), TargetNumbers.decode(h), h.getInt(36), data);
    }
}
