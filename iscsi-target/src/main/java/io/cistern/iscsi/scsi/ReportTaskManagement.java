package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;

/// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-4 6.36).
final class ReportTaskManagement implements Operation.Immediate {
    @Override
    public ScsiResult answer(Request request) {
        Cdb cdb = request.cdb();
        if (cdb.u32(6) < 4) {
            throw Refusal.cdb(6, -1);
        }
        boolean extended = cdb.bit(2, 7);
        ByteBuffer out = ByteBuffer.allocate(extended ? 16 : 4);
        // ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET, QUERY TASK, TARGET RESET
        out.put(0, (byte) (0x80 | 0x40 | 0x10 | 0x08 | 0x02 | 0x01));
        // QUERY ASYNCHRONOUS EVENT, QUERY TASK SET, I_T NEXUS RESET
        out.put(1, (byte) 0x07);
        if (extended) {
            out.put(3, (byte) 12);
        }
        out.position(out.capacity());
        return Request.reply(out, cdb.u32(6));
    }
}
