package io.cistern.block;

/// Why a request was refused or failed. The code travels over the node wire, the REST API and into
/// the front ends' own errors, so its [#wire] number never changes meaning.
public enum ErrorCode {
    /// The request itself is wrong: a size that does not parse, a name that is not allowed.
    INVALID(1, false),
    NOT_FOUND(2, false),
    ALREADY_EXISTS(3, false),
    /// The range ends beyond the device.
    OUT_OF_RANGE(4, false),
    /// No free slot in the pool for an allocating write.
    NO_SPACE(5, false),
    /// A newer attachment holds the volume: this holder may never write again.
    FENCED(6, false),
    READ_ONLY(7, false),
    /// In use: attached, has clones, is being moved.
    BUSY(8, false),
    /// A limit on queues, names, sizes or counts is reached.
    LIMIT(9, false),
    /// This replica does not lead the group. The message names the leader if it is known. Safe to
    /// send elsewhere.
    NOT_LEADER(10, true),
    /// No leader, no majority, a time-out: the outcome is unknown, the same request may be sent
    /// again.
    UNAVAILABLE(11, true),
    /// This replica has not yet applied what the reader has already seen. Ask again or elsewhere.
    STALE(12, true),
    /// Stored bytes do not match their checksum and no replica could mend them.
    CORRUPT(13, false),
    IO(14, false),
    UNAUTHORIZED(15, false),
    INTERNAL(16, false),
    /// What a request was conditional on has changed: the shared record was replaced, a volume or
    /// the cluster was changed by another request. Nothing was done: look, and ask again.
    CHANGED(17, false);

    private final int wire;
    private final boolean retryable;

    ErrorCode(int wire, boolean retryable) {
        this.wire = wire;
        this.retryable = retryable;
    }

    /// The number of this code in protocols and files, 1..255.
    public int wire() {
        return wire;
    }

    /// True where the same request, with the same sequence number, may be sent again.
    public boolean retryable() {
        return retryable;
    }

    /// The code with that number; INTERNAL for a number from a newer version.
    public static ErrorCode fromWire(int wire) {
        for (ErrorCode code : values()) {
            if (code.wire == wire) {
                return code;
            }
        }
        return INTERNAL;
    }
}
