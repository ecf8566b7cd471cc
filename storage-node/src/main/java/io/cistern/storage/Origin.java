package io.cistern.storage;

import io.cistern.block.GuardedDevice;

/// Who sent a write, so that it takes effect exactly once and only while its sender may write.
///
/// A sender numbers its requests 1, 2, 3, … up to 2^42 - 1. A request may be longer than a log
/// entry, so the leader cuts it into pieces, the same way however often it is sent, and numbers
/// these `seq << 20 | piece`; `doneBelow` is shifted alike. What stands in the log, and what the
/// state machine remembers, are the numbers of pieces.
///
/// A guarded write takes effect only if the volume's shared record has the version `guard` at the
/// write's place in the log; else it is refused with CHANGED. That answer is final: it is
/// remembered for the number like any other, and since a record's version only grows, a copy of the
/// request that arrives after its sender has forgotten it is refused as well.
///
/// @param attachment the sender's attachment (the log index of its Attach); a write of an
///   attachment that the volume no longer lists is refused with FENCED
/// @param seq the sender's number for this write, counting from 1; a number already executed is
///   answered with its first result and has no second effect
/// @param doneBelow every number below this one has been answered to the sender, so its result may
///   be forgotten
/// @param guard a version of the volume's shared record, or [GuardedDevice#NO_GUARD]
public record Origin(long attachment, long seq, long doneBelow, long guard) {
    public Origin(long attachment, long seq, long doneBelow) {
        this(attachment, seq, doneBelow, GuardedDevice.NO_GUARD);
    }

    public Origin guardedBy(long version) {
        return new Origin(attachment, seq, doneBelow, version);
    }

    public boolean guarded() {
        return guard != GuardedDevice.NO_GUARD;
    }
}
