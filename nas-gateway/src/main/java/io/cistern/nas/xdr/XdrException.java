package io.cistern.nas.xdr;

/// Bytes that are not what the protocol's XDR says, or that exceed a limit. It carries no stack
/// trace: peers cause it at will.
public final class XdrException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public XdrException(String message) {
        super(message, null, false, false);
    }
}
