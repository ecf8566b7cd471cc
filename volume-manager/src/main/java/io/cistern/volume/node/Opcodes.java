package io.cistern.volume.node;

/// The cluster's part of the node wire; the groups' own opcodes are below 64.
final class Opcodes {
    /// A system command (see SystemCodec) -> JSON Outcome.
    static final int PROPOSE = 64;

    /// i64 version the caller has, u8 1: newest of all (leader), 3: likewise, but the version alone
    /// will do, 0: what the node knows, u8 newest version of a checkpoint that the caller reads
    /// (missing: 3) -> empty where it is not newer, else the state as a checkpoint, or the version
    /// alone as i64. Programs from before there were levels know it without the last byte only, and
    /// say INVALID; see [StateRequest].
    static final int STATE = 65;

    /// i64 version of the system state that the caller has (missing: it does not say) -> JSON
    /// NodeReport.
    static final int REPORT = 66;

    /// JSON NodeOrder -> JSON Done.
    static final int ORDER = 67;

    /// Nothing -> JSON IscsiSessions.
    static final int SESSIONS = 68;

    /// Nothing -> JSON ShareUse.
    static final int SHARE_USE = 69;

    private Opcodes() {}
}
