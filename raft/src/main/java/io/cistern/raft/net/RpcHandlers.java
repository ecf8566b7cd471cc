package io.cistern.raft.net;

/// Where handlers of calls are registered.
public interface RpcHandlers {
    /// Sets the handler of `opcode` (0..255). May be called at any time; a request without a
    /// handler is answered with INVALID.
    ///
    /// @throws IllegalStateException if the opcode has a handler
    void register(int opcode, RpcHandler handler);
}
