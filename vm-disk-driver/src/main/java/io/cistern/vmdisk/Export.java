package io.cistern.vmdisk;

import io.cistern.block.BlockDevice;

/// What a socket offers: one device under one name. The empty name, the default export, means it
/// too.
///
/// @param readOnly true where clients may not write, be it the device's wish or the attachment's
public record Export(String name, BlockDevice device, boolean readOnly) {

    boolean answersTo(String requested) {
        return requested.isEmpty() || requested.equals(name);
    }

    String description() {
        return "Cistern volume " + name + (readOnly ? " (read-only)" : "");
    }

    /// The transmission flags.
    ///
    /// Writes are durable when they complete and all connections share one device, so several
    /// connections per client are safe.
    int flags(boolean structuredReplies) {
        int flags =
                NbdProtocol.HAS_FLAGS
                        | NbdProtocol.SEND_FLUSH
                        | NbdProtocol.SEND_FUA
                        | NbdProtocol.SEND_CACHE
                        | NbdProtocol.CAN_MULTI_CONN;
        flags |=
                readOnly
                        ? NbdProtocol.READ_ONLY
                        : NbdProtocol.SEND_TRIM
                                | NbdProtocol.SEND_WRITE_ZEROES
                                | NbdProtocol.SEND_FAST_ZERO;
        return structuredReplies ? flags | NbdProtocol.SEND_DF : flags;
    }
}
