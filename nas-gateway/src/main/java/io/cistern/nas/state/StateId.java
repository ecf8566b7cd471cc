package io.cistern.nas.state;

/// A stateid (RFC 8881 section 8.2). Its 12 opaque bytes are `boot:4 serial:8`.
///
/// @param seqid unsigned; 0 means the newest
/// @param boot of the server that issued it; 0 and -1 only in special stateids
/// @param serial names the open or lock state
public record StateId(int seqid, int boot, long serial) {
    /// I/O without an open (all zeroes).
    public static final StateId ANONYMOUS = new StateId(0, 0, 0);

    /// READ past mandatory locks (all ones).
    public static final StateId BYPASS = new StateId(-1, -1, -1);

    /// The stateid that an operation before in the same COMPOUND returned.
    public static final StateId CURRENT = new StateId(1, 0, 0);

    /// What the current stateid is while there is none.
    public static final StateId INVALID = new StateId(-1, 0, 0);

    public boolean special() {
        return (boot == 0 || boot == -1) && serial == boot;
    }
}
