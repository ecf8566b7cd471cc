package io.cistern.raft.ratis;

/// The requests on a Raft port. Request and answer are the Ratis message of that name.
final class Opcode {
    /// AppendEntriesRequestProto, with entries or as a heartbeat.
    static final int APPEND = 1;

    static final int REQUEST_VOTE = 2;
    static final int START_ELECTION = 3;
    static final int INSTALL_SNAPSHOT = 4;
    static final int READ_INDEX = 5;

    private Opcode() {}
}
