package io.cistern.iscsi.scsi;

/// REQUEST SENSE (SPC-4 6.39): reports a pending unit attention condition as data, and clears it.
final class RequestSense implements Operation.Immediate {
    @Override
    public ScsiResult answer(Request request) {
        Condition pending = request.nexus().attentions().take();
        Sense sense = Sense.of(pending == null ? Condition.NO_SENSE : pending);
        return Request.reply(sense.encode(request.cdb().bit(1, 0)), request.cdb().u8(4));
    }
}
