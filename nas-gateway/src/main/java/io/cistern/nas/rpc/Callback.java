package io.cistern.nas.rpc;

import io.cistern.nas.xdr.XdrWriter;
import java.util.function.Consumer;

/// A call of the server to a client.
///
/// @param flavor how the server names itself, see [Credential]
/// @param credential the body that belongs to the flavor
public record Callback(
        int program,
        int version,
        int procedure,
        int flavor,
        byte[] credential,
        Consumer<XdrWriter> arguments) {
    @Override
    public boolean equals(Object o) {
        return this == o;
    }

    @Override
    public int hashCode() {
        return System.identityHashCode(this);
    }
}
