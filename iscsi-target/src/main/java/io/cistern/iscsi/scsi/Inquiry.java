package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/// INQUIRY (SPC-4 6.6).
final class Inquiry implements Operation.Immediate {
    private static final int STANDARD_BYTES = 96;

    /// SAM-5, SPC-4, SBC-3, iSCSI; no version of them claimed.
    private static final int[] STANDARDS = {0x00a0, 0x0460, 0x04c0, 0x0960};

    @Override
    public ScsiResult answer(Request request) {
        Cdb cdb = request.cdb();
        if (cdb.bit(1, 0)) {
            return Request.reply(
                    VitalProductData.page(cdb.u8(2), request.unit(), request.nexusId()),
                    cdb.u16(3));
        }
        if (cdb.u8(2) != 0) {
            throw Refusal.cdb(2, -1);
        }
        return Request.reply(standard(0x00), cdb.u16(3));
    }

    /// Of a LUN at which there is nothing and never will be: qualifier 011b, type 1Fh.
    static ScsiResult absent(Cdb cdb) {
        if (cdb.bit(1, 0) || cdb.u8(2) != 0) {
            throw Refusal.cdb(cdb.bit(1, 0) ? 1 : 2, cdb.bit(1, 0) ? 0 : -1);
        }
        return Request.reply(standard(0x7f), cdb.u16(3));
    }

    private static byte[] standard(int peripheral) {
        ByteBuffer out = ByteBuffer.allocate(STANDARD_BYTES);
        out.put(0, (byte) peripheral);
        out.put(2, (byte) 0x06); // SPC-4
        out.put(3, (byte) 0x12); // HISUP, response data format 2
        out.put(4, (byte) (STANDARD_BYTES - 5));
        out.put(5, (byte) 0x18); // implicit asymmetric access, third party copy
        out.put(6, (byte) 0x10); // MULTIP
        out.put(7, (byte) 0x02); // CMDQUE
        String names = Identity.VENDOR + Identity.PRODUCT + Identity.REVISION;
        out.put(8, names.getBytes(StandardCharsets.US_ASCII));
        for (int i = 0; i < STANDARDS.length; i++) {
            out.putShort(58 + 2 * i, (short) STANDARDS[i]);
        }
        return out.array();
    }
}
