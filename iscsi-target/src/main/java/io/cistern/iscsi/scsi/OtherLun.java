package io.cistern.iscsi.scsi;

/// The answers of logical units that do not exist (SPC-4 6.6.1, 6.33, 6.39).
final class OtherLun {

    private OtherLun() {}

    static ScsiResult answer(LogicalUnit unit, Task task) {
        Cdb cdb = new Cdb(task.command().cdb());
        Opcode opcode = task.opcode();
        if (opcode != null) {
            switch (cdb.operationCode()) {
                case Opcodes.INQUIRY -> {
                    opcode.check(cdb);
                    return Inquiry.absent(cdb);
                }
                case Opcodes.REPORT_LUNS -> {
                    opcode.check(cdb);
                    return ReportLuns.answer(cdb);
                }
                case Opcodes.REQUEST_SENSE -> {
                    opcode.check(cdb);
                    byte[] sense = Sense.of(Condition.LUN_NOT_SUPPORTED).encode(cdb.bit(1, 0));
                    return Request.reply(sense, cdb.u8(4));
                }
                default -> {}
            }
        }
        throw Refusal.of(Condition.LUN_NOT_SUPPORTED);
    }
}
