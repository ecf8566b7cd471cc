package io.cistern.vmdisk;

import java.io.IOException;

/// The client broke the protocol in a way that leaves the stream without meaning, or vanished: the
/// connection must be closed.
final class NbdException extends IOException {
    private static final long serialVersionUID = 1L;

    NbdException(String message) {
        super(message);
    }
}
