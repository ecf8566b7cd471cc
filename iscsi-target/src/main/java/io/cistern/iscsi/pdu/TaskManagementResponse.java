package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// The outcome of a task management function (RFC 7143 11.6).
public record TaskManagementResponse(int response, int itt, TargetNumbers numbers) implements Pdu {
    public static final int COMPLETE = 0;
    public static final int NO_TASK = 1;
    public static final int NO_LUN = 2;
    public static final int REASSIGNMENT_NOT_SUPPORTED = 4;
    public static final int NOT_SUPPORTED = 5;
    public static final int NOT_AUTHORIZED = 6;

    /// RFC 7144 6.2.
    public static final int SUCCEEDED = 7;

    public static final int REJECTED = 255;

    @Override
    public int opcode() {
        return Opcode.TASK_MANAGEMENT_RESPONSE;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode()).setByte(1, Opcode.FINAL).setByte(2, response).setInt(16, itt);
        numbers.encode(h);
    }

    static TaskManagementResponse decode(ByteBuf h) {
        return new TaskManagementResponse(
                h.getUnsignedByte(2), h.getInt(16), TargetNumbers.decode(h));
    }
}
