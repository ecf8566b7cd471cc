package io.cistern.iscsi.login;

/// A login that ends with a status other than success. The message is for the log and never holds a
/// secret.
public final class LoginRefusedException extends Exception {
    private static final long serialVersionUID = 1L;

    private final LoginStatus status;

    public LoginRefusedException(LoginStatus status, String message) {
        super(message, null, false, false);
        this.status = status;
    }

    public LoginStatus status() {
        return status;
    }
}
