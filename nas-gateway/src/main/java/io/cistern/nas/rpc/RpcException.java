package io.cistern.nas.rpc;

/// A call that ends with an RPC error in place of a result.
public final class RpcException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final Answer answer;

    public RpcException(Answer answer, String message) {
        super(message, null, false, false);
        this.answer = answer;
    }

    public Answer answer() {
        return answer;
    }

    /// Errors of an accepted call (accept_stat) and refusals of a credential (auth_stat), RFC 5531
    /// section 9.
    public enum Answer {
        PROG_UNAVAIL(1, false),
        PROG_MISMATCH(2, false),
        PROC_UNAVAIL(3, false),
        GARBAGE_ARGS(4, false),
        SYSTEM_ERR(5, false),
        AUTH_BADCRED(1, true),
        AUTH_REJECTEDCRED(2, true),
        AUTH_BADVERF(3, true),
        AUTH_TOOWEAK(5, true);

        private final int number;
        private final boolean denied;

        Answer(int number, boolean denied) {
            this.number = number;
            this.denied = denied;
        }

        int number() {
            return number;
        }

        /// True where the whole message is denied.
        boolean denied() {
            return denied;
        }
    }
}
