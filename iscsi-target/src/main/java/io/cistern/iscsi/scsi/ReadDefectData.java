package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;

/// READ DEFECT DATA (10) and (12) (SBC-3 5.17, 5.18): the lists are empty. Damaged blocks are
/// mended from other replicas, never reassigned.
final class ReadDefectData implements Operation.Immediate {
    @Override
    public ScsiResult answer(Request request) {
        Cdb cdb = request.cdb();
        boolean ten = cdb.operationCode() == Opcodes.READ_DEFECT_DATA_10;
        int asked = cdb.u8(ten ? 2 : 1) & 0x1f;
        ByteBuffer out = ByteBuffer.allocate(ten ? 4 : 8);
        out.put(1, (byte) asked);
        out.position(out.capacity());
        return Request.reply(out, ten ? cdb.u16(7) : cdb.u32(6));
    }
}
