package io.cistern.block;

import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;

/// A failure that a user or a client sees. The message says what happened, to what, and what to do;
/// it is one line and holds no secret.
public final class CisternException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final ErrorCode code;

    public CisternException(ErrorCode code, String message) {
        super(message);
        this.code = code;
    }

    public CisternException(ErrorCode code, String message, Throwable cause) {
        super(message, cause);
        this.code = code;
    }

    public ErrorCode code() {
        return code;
    }

    /// The CisternException in a chain of causes, or one of code INTERNAL that wraps it.
    public static CisternException of(Throwable failure) {
        Throwable t = failure;
        while ((t instanceof CompletionException || t instanceof ExecutionException)
                && t.getCause() != null) {
            t = t.getCause();
        }
        if (t instanceof CisternException known) {
            return known;
        }
        return new CisternException(ErrorCode.INTERNAL, "internal error: " + t, t);
    }
}
