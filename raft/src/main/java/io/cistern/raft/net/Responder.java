package io.cistern.raft.net;

import io.cistern.block.CisternException;
import io.netty.buffer.ByteBuf;

/// Answers one request, exactly once, from any thread. A second answer is an
/// [IllegalStateException]; an answer to a connection that is gone is dropped. Answers may leave in
/// another order than the requests came.
public interface Responder {
    /// Answers with the concatenation of `parts`, which belong to the responder from here on (it
    /// releases them). An answer longer than the frame limit becomes the error LIMIT.
    void ok(ByteBuf... parts);

    /// Answers with an error; the caller sees the same code and message (cut to 1 KiB).
    void fail(CisternException failure);

    /// The node name the peer gave in the handshake.
    String peer();
}
