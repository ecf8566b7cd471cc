package io.cistern.storage;

import io.cistern.block.ErrorCode;
import org.jspecify.annotations.Nullable;

/// What applying one command came to: the same on every replica.
///
/// @param error null where it took effect
/// @param message for people, where error is set
/// @param value what the command yields (Attach: the attachment's id), else 0
public record Outcome(@Nullable ErrorCode error, String message, long value) {
    public static final Outcome DONE = new Outcome(null, "", 0);

    public static Outcome of(long value) {
        return new Outcome(null, "", value);
    }

    public static Outcome refused(ErrorCode error, String message) {
        return new Outcome(error, message, 0);
    }
}
