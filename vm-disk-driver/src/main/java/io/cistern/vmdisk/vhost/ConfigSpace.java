package io.cistern.vmdisk.vhost;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// The configuration space that one front end sees, with the one field in it that it may set: the
/// write cache. For the connection's thread.
final class ConfigSpace {
    private final Target target;
    private boolean writeback = true;

    ConfigSpace(Target target) {
        this.target = target;
    }

    /// A piece of the space.
    ///
    /// @return null where it lies outside
    @Nullable ByteBuffer read(int offset, int length) {
        ByteBuffer all =
                BlockConfig.encode(target.device().sizeBytes(), writeback, Connection.MAX_QUEUES);
        return within(offset, length) ? all.slice(offset, length) : null;
    }

    /// Takes over the write cache's setting, which changes nothing else: a write is durable when it
    /// is answered. During a migration the front end may send all of the space, whose other fields
    /// are not its own to change; they are passed over.
    ///
    /// @return false where the piece may not be written; nothing has changed then
    boolean write(Payload.Config piece) {
        int length = piece.content().remaining();
        int at = BlockConfig.WRITEBACK_OFFSET - piece.offset();
        boolean settable = at >= 0 && at < length && !target.readOnly();
        boolean allowed =
                switch (piece.flags()) {
                    case Payload.Config.WRITABLE -> settable && length == 1;
                    case Payload.Config.MIGRATION -> within(piece.offset(), length);
                    default -> false;
                };
        if (allowed && settable) {
            writeback = piece.content().get(at) != 0;
        }
        return allowed;
    }

    private static boolean within(int offset, int length) {
        return offset >= 0 && offset <= Payload.Config.MAX_CONTENT_BYTES - length;
    }
}
