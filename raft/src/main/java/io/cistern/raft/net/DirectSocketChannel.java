package io.cistern.raft.net;

import io.netty.channel.socket.nio.NioSocketChannel;
import java.io.IOException;
import java.nio.ByteBuffer;

/// A socket channel that a thread other than its event loop may write to, while the loop has
/// nothing to write: see [WriteTurn].
final class DirectSocketChannel extends NioSocketChannel {
    /// Writes what the socket takes at once. By whoever has the turn.
    ///
    /// @return bytes written, whose buffers' positions have moved
    /// @throws IOException where the connection is closed or broken; nothing was written then
    long writeNow(ByteBuffer... bytes) throws IOException {
        return bytes.length == 1 ? javaChannel().write(bytes[0]) : javaChannel().write(bytes);
    }
}
