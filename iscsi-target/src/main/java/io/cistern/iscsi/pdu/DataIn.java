package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;
import org.jspecify.annotations.Nullable;

/// Data of a read, with the command's status where the last one may carry it (RFC 7143 11.7).
///
/// @param last F: ends a sequence of at most MaxBurstLength
/// @param end S: the status and residual; null: none, StatSN means nothing then
/// @param bufferOffset of the data within the command's, 32 bits unsigned
public record DataIn(
        boolean last,
        @Nullable End end,
        long lun,
        int itt,
        TargetNumbers numbers,
        int dataSn,
        int bufferOffset,
        ByteBuf data)
        implements Pdu {
    /// How the command ended.
    ///
    /// @param status without sense data: GOOD or CONDITION MET
    public record End(int status, Residual residual) {}

    @Override
    public int opcode() {
        return Opcode.DATA_IN;
    }

    @Override
    public void encode(ByteBuf h) {
        int flags = last ? Opcode.FINAL : 0;
        if (end != null) {
            flags |= 0x01 | end.residual.flags();
            h.setByte(3, end.status).setInt(44, end.residual.count());
        }
        h.setByte(0, opcode()).setByte(1, flags);
        h.setLong(8, lun).setInt(16, itt).setInt(20, NO_TAG);
        numbers.encode(h);
        h.setInt(36, dataSn).setInt(40, bufferOffset);
    }

    static DataIn decode(ByteBuf h, ByteBuf data) {
        int flags = h.getByte(1);
        End end =
                (flags & 0x01) == 0
                        ? null
                        : new End(h.getUnsignedByte(3), Residual.decode(flags, h.getInt(44)));
        return new DataIn(
                (flags & Opcode.FINAL) != 0,
                end,
                h.getLong(8),
                h.getInt(16),
                TargetNumbers.decode(h),
                h.getInt(36),
                h.getInt(40),
                data);
    }
}
