package io.cistern.nas.state;

/// What a stateid names.
public sealed interface HeldState permits OpenState, LockState, Delegation {
    Client client();

    FileKey file();

    /// OPEN4_SHARE_ACCESS_* of the open.
    int access();

    int seqid();

    long serial();
}
