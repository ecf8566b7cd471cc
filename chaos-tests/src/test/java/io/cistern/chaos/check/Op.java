package io.cistern.chaos.check;

/// One operation on one register, as its client saw it.
///
/// @param value written; of a compare, what is written if it succeeds
/// @param expected of a compare
/// @param result what a read returned; of a compare, 1 where it succeeded and 0 where not
/// @param invoked when it began
/// @param ended when its answer came; of an operation whose outcome is unknown, the time after
///   which it can no longer take effect, [#NEVER] where there is none
/// @param known false where it may or may not have taken effect
public record Op(
        String client,
        Kind kind,
        long value,
        long expected,
        long result,
        long invoked,
        long ended,
        boolean known) {
    public static final long NEVER = Long.MAX_VALUE;

    /// What an operation does. Zeroing is a write of 0.
    public enum Kind {
        READ,
        WRITE,
        COMPARE
    }

    public static Op read(String client, long result, long invoked, long ended) {
        return new Op(client, Kind.READ, 0, 0, result, invoked, ended, true);
    }

    public static Op write(String client, long value, long invoked, long ended) {
        return new Op(client, Kind.WRITE, value, 0, 0, invoked, ended, true);
    }

    public static Op compare(
            String client, long expected, long value, boolean success, long invoked, long ended) {
        return new Op(client, Kind.COMPARE, value, expected, success ? 1 : 0, invoked, ended, true);
    }

    /// The same with an unknown outcome.
    public Op unknown(long notAfter) {
        return new Op(client, kind, value, expected, result, invoked, notAfter, false);
    }

    @Override
    public String toString() {
        String what =
                switch (kind) {
                    case READ -> "read -> " + result;
                    case WRITE -> "write " + value;
                    case COMPARE ->
                            "compare "
                                    + expected
                                    + " write "
                                    + value
                                    + (known ? " -> " + result : "");
                };
        String end = ended == NEVER ? "..." : String.format("%.3f", ended / 1e6);
        return String.format(
                "%s %s [%.3f, %s ms]%s", client, what, invoked / 1e6, end, known ? "" : " unknown");
    }
}
