package io.cistern.iscsi.scsi;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;

/// How a command ended.
///
/// @param status SAM-5 table 46: 00h GOOD, 02h CHECK CONDITION, 08h BUSY, 18h RESERVATION CONFLICT,
///   28h TASK SET FULL, 40h TASK ABORTED
/// @param dataIn all the data the command yields, already cut to its allocation length; the
///   transport cuts it to what the initiator expects and reports the residual. The receiver
///   releases it.
/// @param sense fixed or descriptor format sense data (SPC-4 4.5), empty where there is none
public record ScsiResult(int status, ByteBuf dataIn, byte[] sense) {
    public static final int GOOD = 0x00;
    public static final int CHECK_CONDITION = 0x02;
    public static final int BUSY = 0x08;
    public static final int RESERVATION_CONFLICT = 0x18;
    public static final int TASK_SET_FULL = 0x28;
    public static final int TASK_ABORTED = 0x40;

    private static final byte[] NO_SENSE = {};

    public static ScsiResult good() {
        return status(GOOD);
    }

    public static ScsiResult good(ByteBuf dataIn) {
        return new ScsiResult(GOOD, dataIn, NO_SENSE);
    }

    public static ScsiResult status(int status) {
        return new ScsiResult(status, Unpooled.EMPTY_BUFFER, NO_SENSE);
    }

    public static ScsiResult checkCondition(byte[] sense) {
        return new ScsiResult(CHECK_CONDITION, Unpooled.EMPTY_BUFFER, sense);
    }
}
