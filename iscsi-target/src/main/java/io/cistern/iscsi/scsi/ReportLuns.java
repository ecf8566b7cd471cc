package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;

/// REPORT LUNS (SPC-4 6.33): LUN 0, and nothing that is only for managing it.
final class ReportLuns implements Operation.Immediate {
    private static final int LEAST_ALLOCATION = 16;

    @Override
    public ScsiResult answer(Request request) {
        return answer(request.cdb());
    }

    static ScsiResult answer(Cdb cdb) {
        long allocation = cdb.u32(6);
        if (allocation < LEAST_ALLOCATION) {
            throw Refusal.cdb(6, -1);
        }
        boolean ordinary =
                switch (cdb.u8(2)) {
                    // Ordinary; all; ordinary with administrative; from an administrative unit on.
                    case 0x00, 0x02, 0x11 -> true;
                    // Well known; administrative; subsidiary.
                    case 0x01, 0x10, 0x12 -> false;
                    default -> throw Refusal.cdb(2, -1);
                };
        ByteBuffer out = ByteBuffer.allocate(16);
        out.putInt(ordinary ? 8 : 0).putInt(0);
        if (ordinary) {
            out.putLong(0);
        }
        return Request.reply(out, allocation);
    }
}
