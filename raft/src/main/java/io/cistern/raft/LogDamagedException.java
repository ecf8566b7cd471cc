package io.cistern.raft;

/// A replica's log is not what was written: something that may have been acknowledged is damaged or
/// missing. The replica must not take part again; it is set aside and rebuilt from the other
/// members, under a new peer id.
public final class LogDamagedException extends Exception {
    private static final long serialVersionUID = 1L;

    LogDamagedException(String message) {
        super(message);
    }
}
