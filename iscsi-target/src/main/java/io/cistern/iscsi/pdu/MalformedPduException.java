package io.cistern.iscsi.pdu;

/// A PDU whose header breaks the format although its length is known, so that the next PDU can
/// still be found.
final class MalformedPduException extends Exception {
    private static final long serialVersionUID = 1L;

    MalformedPduException(String message) {
        super(message, null, false, false);
    }
}
