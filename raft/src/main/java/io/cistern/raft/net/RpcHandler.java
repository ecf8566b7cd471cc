package io.cistern.raft.net;

import io.netty.buffer.ByteBuf;

/// Serves one opcode.
@FunctionalInterface
public interface RpcHandler {
    /// Takes a request. Called on the connection's event loop, in the order the client sent its
    /// calls, and must not block. What it throws is answered as if by [Responder#fail].
    ///
    /// @param request the payload; released by the server when this returns, so whoever needs it
    ///   longer retains it and releases it later
    void handle(ByteBuf request, Responder responder);
}
