package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// How a SCSI command ended (RFC 7143 11.4).
///
/// @param response 00h: the target completed it; 01h: target failure
/// @param status SCSI status, meaningful with response 00h
/// @param expDataSn how many Data-In and R2T PDUs the command had
/// @param readResidual of the read half of a bidirectional command
/// @param data two bytes of length, sense data
public record ScsiResponse(
        int response,
        int status,
        int itt,
        TargetNumbers numbers,
        int expDataSn,
        Residual readResidual,
        Residual residual,
        ByteBuf data)
        implements Pdu {
    public static final int COMPLETED = 0x00;
    public static final int TARGET_FAILURE = 0x01;

    private static final int READ_FLAGS_SHIFT = 2;

    @Override
    public int opcode() {
        return Opcode.SCSI_RESPONSE;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode());
        h.setByte(1, Opcode.FINAL | residual.flags() | readResidual.flags() << READ_FLAGS_SHIFT);
        h.setByte(2, response).setByte(3, status).setInt(16, itt);
        numbers.encode(h);
        h.setInt(36, expDataSn).setInt(40, readResidual.count()).setInt(44, residual.count());
    }

    static ScsiResponse decode(ByteBuf h, ByteBuf data) {
        int flags = h.getByte(1);
        return new ScsiResponse(
                h.getUnsignedByte(2),
                h.getUnsignedByte(3),
                h.getInt(16),
                TargetNumbers.decode(h),
                h.getInt(36),
                Residual.decode(flags >> READ_FLAGS_SHIFT, h.getInt(40)),
                Residual.decode(flags, h.getInt(44)),
                data);
    }
}
