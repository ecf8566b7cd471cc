package io.cistern.storage;

/// Who sent a write, so that it takes effect exactly once and only while its sender may write.
///
/// A sender numbers its requests 1, 2, 3, … up to 2^42 - 1. A request may be longer than a log
/// entry, so the leader cuts it into pieces, the same way however often it is sent, and numbers
/// these `seq << 20 | piece`; `doneBelow` is shifted alike. What stands in the log, and what the
/// state machine remembers, are the numbers of pieces.
///
/// @param attachment the sender's attachment (the log index of its Attach); a write of an
///   attachment that the volume no longer lists is refused with FENCED
/// @param seq the sender's number for this write, counting from 1; a number already executed is
///   answered with its first result and has no second effect
/// @param doneBelow every number below this one has been answered to the sender, so its result may
///   be forgotten
public record Origin(long attachment, long seq, long doneBelow) {}
