package io.cistern.nas.state;

import org.jspecify.annotations.Nullable;

/// One slot of a session (RFC 8881 section 2.10.6.1): the newest request's sequence number and,
/// once it is done, its reply. Guarded by the session.
final class Slot {
    int sequence;
    boolean busy;
    int checksum;
    boolean used;
    byte @Nullable [] reply;

    /// Its session came from another server: what its last sequence number was is not known.
    boolean unknown;

    /// The request in it may be the repetition of one that the other server carried out.
    boolean mayRepeat;
}
