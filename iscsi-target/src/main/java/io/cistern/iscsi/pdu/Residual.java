package io.cistern.iscsi.pdu;

/// What was expected and not transferred, or the other way round (RFC 7143 11.4.1, 11.4.5).
///
/// @param count bytes, 32 bits unsigned; 0 with NONE
public record Residual(Kind kind, int count) {
    public static final Residual NONE = new Residual(Kind.NONE, 0);

    private static final int UNDERFLOW_FLAG = 0x02;
    private static final int OVERFLOW_FLAG = 0x04;

    public enum Kind {
        NONE,
        /// Fewer bytes were transferred than the initiator expected.
        UNDERFLOW,
        /// More would have been, had the initiator expected them.
        OVERFLOW
    }

    /// @param expected what the initiator expected, bytes
    /// @param available what the command would transfer, bytes
    public static Residual of(long expected, long available) {
        if (expected == available) {
            return NONE;
        }
        return available < expected
                ? new Residual(Kind.UNDERFLOW, (int) (expected - available))
                : new Residual(Kind.OVERFLOW, (int) Math.min(available - expected, 0xffffffffL));
    }

    int flags() {
        return switch (kind) {
            case NONE -> 0;
            case UNDERFLOW -> UNDERFLOW_FLAG;
            case OVERFLOW -> OVERFLOW_FLAG;
        };
    }

    static Residual decode(int flags, int count) {
        if ((flags & UNDERFLOW_FLAG) != 0) {
            return new Residual(Kind.UNDERFLOW, count);
        }
        return (flags & OVERFLOW_FLAG) != 0 ? new Residual(Kind.OVERFLOW, count) : NONE;
    }
}
