package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// R2T: asks for part of a write's data (RFC 7143 11.8).
///
/// @param bufferOffset of the wanted data, 32 bits unsigned
/// @param length of the wanted data in bytes, 1 to MaxBurstLength
public record ReadyToTransfer(
        long lun, int itt, int ttt, TargetNumbers numbers, int r2tSn, int bufferOffset, int length)
        implements Pdu {
    @Override
    public int opcode() {
        return Opcode.READY_TO_TRANSFER;
    }

    @Override
    public void encode(ByteBuf h) {
        h.setByte(0, opcode()).setByte(1, Opcode.FINAL);
        h.setLong(8, lun).setInt(16, itt).setInt(20, ttt);
        numbers.encode(h);
        h.setInt(36, r2tSn).setInt(40, bufferOffset).setInt(44, length);
    }

    static ReadyToTransfer decode(ByteBuf h) {
        return new ReadyToTransfer(
                h.getLong(8),
                h.getInt(16),
                h.getInt(20),
                TargetNumbers.decode(h),
                h.getInt(36),
                h.getInt(40),
                h.getInt(44));
    }
}
