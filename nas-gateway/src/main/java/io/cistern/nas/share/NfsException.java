package io.cistern.nas.share;

/// A request refused with an NFS status. It carries no stack trace: peers cause it at will.
public final class NfsException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int status;

    public NfsException(int status, String message) {
        super(message, null, false, false);
        this.status = status;
    }

    public int status() {
        return status;
    }
}
