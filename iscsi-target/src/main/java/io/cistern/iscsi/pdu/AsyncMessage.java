package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// Something the initiator did not ask for (RFC 7143 11.9).
///
/// @param event see the constants
/// @param data sense data for event 0
public record AsyncMessage(
        long lun, TargetNumbers numbers, int event, Parameters parameters, ByteBuf data)
        implements Pdu {
    public static final int SCSI_EVENT = 0;
    public static final int LOGOUT_REQUESTED = 1;
    public static final int CONNECTION_DROPPED = 2;
    public static final int SESSION_DROPPED = 3;

    /// Parameter1 to Parameter3, 16 bits each.
    public record Parameters(int first, int second, int third) {}

    @Override
    public int opcode() {
        return Opcode.ASYNC_MESSAGE;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode()).setByte(1, Opcode.FINAL).setLong(8, lun).setInt(16, NO_TAG);
        numbers.encode(h);
        h.setByte(36, event).setShort(38, parameters.first);
        h.setShort(40, parameters.second).setShort(42, parameters.third);
    }

    static AsyncMessage decode(ByteBuf h, ByteBuf data) {
        return new AsyncMessage(
                h.getLong(8),
                TargetNumbers.decode(h),
                h.getUnsignedByte(36),
                new Parameters(
                        h.getUnsignedShort(38), h.getUnsignedShort(40), h.getUnsignedShort(42)),
                data);
    }
}
