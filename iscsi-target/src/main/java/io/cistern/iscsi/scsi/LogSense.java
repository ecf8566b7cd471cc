package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;

/// LOG SENSE (SPC-4 6.8): the list of pages, and logical block provisioning (SBC-3 6.4.4).
final class LogSense implements Operation.Immediate {
    private static final int PROVISIONING = 0x0c;
    private static final int ALL_SUBPAGES = 0xff;
    private static final int AVAILABLE = 0x0001;
    private static final int USED = 0x0002;

    @Override
    public ScsiResult answer(Request request) {
        Cdb cdb = request.cdb();
        int page = cdb.u8(2) & 0x3f;
        int subpage = cdb.u8(3);
        ByteBuffer out = ByteBuffer.allocate(64);
        out.position(4);
        if (page == 0 && subpage == 0) {
            out.put((byte) 0).put((byte) PROVISIONING);
        } else if (page == 0 && subpage == ALL_SUBPAGES) {
            out.putShort((short) 0x0000).putShort((short) 0x00ff);
            out.putShort((short) (PROVISIONING << 8));
        } else if (page == PROVISIONING && subpage == 0) {
            provisioning(out, request.unit(), cdb.u16(5));
        } else {
            throw page == 0 || page == PROVISIONING ? Refusal.cdb(3, -1) : Refusal.cdb(2, 5);
        }
        out.put(0, (byte) (page | (subpage == 0 ? 0 : 0x40)));
        out.put(1, (byte) subpage);
        out.putShort(2, (short) (out.position() - 4));
        return Request.reply(out, cdb.u16(7));
    }

    /// @param from PARAMETER POINTER: the first parameter wanted
    private static void provisioning(ByteBuffer out, LogicalUnit unit, int from) {
        if (from > USED) {
            throw Refusal.cdb(5, -1);
        }
        if (from <= AVAILABLE) {
            parameter(out, AVAILABLE, unit.thresholds().availableSets(), 0x02);
        }
        parameter(out, USED, unit.thresholds().usedSets(), 0x01);
    }

    /// @param scope 01b: dedicated to the unit, 10b: shared with others
    private static void parameter(ByteBuffer out, int code, long count, int scope) {
        out.putShort((short) code).put((byte) 0x03).put((byte) 8);
        out.putInt((int) count).put((byte) scope).put(new byte[3]);
    }
}
