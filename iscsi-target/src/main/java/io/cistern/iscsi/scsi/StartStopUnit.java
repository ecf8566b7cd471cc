package io.cistern.iscsi.scsi;

/// START STOP UNIT (SBC-3 5.20). The unit is always started; one initiator cannot stop it for the
/// others, and nothing can be ejected.
final class StartStopUnit implements Operation.Immediate {
    @Override
    public Opcode.Access access(Cdb cdb, Opcode.Access stated) {
        return cdb.bit(4, 0) ? Opcode.Access.ANY : stated;
    }

    @Override
    public ScsiResult answer(Request request) {
        if (!request.cdb().bit(4, 0)) {
            throw Refusal.cdb(4, 0);
        }
        return ScsiResult.good();
    }
}
