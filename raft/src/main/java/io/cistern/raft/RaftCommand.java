package io.cistern.raft;

import java.nio.ByteBuffer;

/// A command to be proposed, written into its log entry only when that entry is made: so the bytes
/// are copied once, from where they arrived.
///
/// [#writeTo] is called at most once per proposal, on the group's batching thread, and never after
/// the proposal's future has completed. What it reads must stay unchanged until then.
public interface RaftCommand {
    /// Exact number of bytes [#writeTo] writes.
    int bytes();

    /// Writes the command at `out`'s position, which it moves by [#bytes].
    void writeTo(ByteBuffer out);

    /// The remaining bytes of `buffer`, whose position and limit are not changed.
    static RaftCommand of(ByteBuffer buffer) {
        return new RaftCommand() {
            @Override
            public int bytes() {
                return buffer.remaining();
            }

            @Override
            public void writeTo(ByteBuffer out) {
                out.put(buffer.duplicate());
            }
        };
    }
}
