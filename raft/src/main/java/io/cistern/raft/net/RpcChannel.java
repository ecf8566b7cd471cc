package io.cistern.raft.net;

import io.netty.buffer.ByteBuf;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;

/// A way to one server. Safe for any thread.
public interface RpcChannel extends AutoCloseable {
    /// Calls the server. The future fails with a CisternException: what the server answered, or
    /// UNAVAILABLE where the answer was lost, late or the connection is gone; then the call may or
    /// may not have been served.
    ///
    /// @param parts the payload, one after another; released by the channel
    /// @return the answer, which the caller releases
    CompletableFuture<ByteBuf> call(int opcode, Duration timeout, ByteBuf... parts);

    /// Ends every call in flight with UNAVAILABLE.
    @Override
    void close();
}
