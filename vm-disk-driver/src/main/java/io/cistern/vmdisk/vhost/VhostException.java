package io.cistern.vmdisk.vhost;

import java.io.IOException;

/// The front end or its guest broke the protocol in a way that leaves nothing to go on with: the
/// connection must be closed.
final class VhostException extends IOException {
    private static final long serialVersionUID = 1L;

    VhostException(String message) {
        super(message);
    }
}
