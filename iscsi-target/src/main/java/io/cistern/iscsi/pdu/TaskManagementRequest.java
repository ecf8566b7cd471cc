package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// A task management function (RFC 7143 11.5, RFC 7144 for functions 9 to 12).
///
/// @param function 1 to 12
/// @param referencedTag of the task to abort or query, else NO_TAG
public record TaskManagementRequest(
        boolean immediate,
        int function,
        long lun,
        int itt,
        int referencedTag,
        int cmdSn,
        int expStatSn,
        int refCmdSn,
        int expDataSn)
        implements Pdu {
    @Override
    public int opcode() {
        return Opcode.TASK_MANAGEMENT_REQUEST;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode() | (immediate ? Opcode.IMMEDIATE : 0));
        h.setByte(1, Opcode.FINAL | function);
        h.setLong(8, lun).setInt(16, itt).setInt(20, referencedTag);
        h.setInt(24, cmdSn).setInt(28, expStatSn).setInt(32, refCmdSn).setInt(36, expDataSn);
    }

    static TaskManagementRequest decode(ByteBuf h) {
        return new TaskManagementRequest(
                (h.getByte(0) & Opcode.IMMEDIATE) != 0,
                h.getByte(1) & 0x7f,
                h.getLong(8),
                h.getInt(16),
                h.getInt(20),
                h.getInt(24),
                h.getInt(28),
                h.getInt(32),
                h.getInt(36));
    }
}
