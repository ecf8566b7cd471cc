package io.cistern.storage;

import java.nio.ByteBuffer;

/// Commands as they stand in log entries; docs/formats/command.md.
public final class CommandCodec {
    private CommandCodec() {}

    /// Exact length of the encoded command in bytes.
    public static int size(Command command) {
        throw new UnsupportedOperationException(command.toString());
    }

    /// Appends the command at `dst`'s position.
    public static void encode(Command command, ByteBuffer dst) {
        throw new UnsupportedOperationException(command + " " + dst);
    }

    /// Reads the command that fills `src`'s remaining bytes. Block data is a slice of `src`, not a
    /// copy. `src`'s position is not changed.
    ///
    /// @throws io.cistern.block.CisternException INVALID: not a command, or of another version
    public static Command decode(ByteBuffer src) {
        throw new UnsupportedOperationException(src.toString());
    }
}
