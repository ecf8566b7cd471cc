package io.cistern.storage;

import io.cistern.block.ErrorCode;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// What applying one command came to: the same on every replica.
///
/// @param error null where it took effect
/// @param message for people, where error is set
/// @param value what the command yields (Attach: the attachment's id), else 0
/// @param reply what a FileChange yields; read only, else null
public record Outcome(
        @Nullable ErrorCode error, String message, long value, @Nullable ByteBuffer reply) {
    public static final Outcome DONE = new Outcome(null, "", 0);

    public Outcome(@Nullable ErrorCode error, String message, long value) {
        this(error, message, value, null);
    }

    public static Outcome replied(ByteBuffer reply) {
        return new Outcome(null, "", 0, reply);
    }

    public static Outcome of(long value) {
        return new Outcome(null, "", value);
    }

    public static Outcome refused(ErrorCode error, String message) {
        return new Outcome(error, message, 0);
    }
}
