package io.cistern.storage;

import io.cistern.block.ErrorCode;
import io.cistern.raft.LogPosition;
import java.nio.ByteBuffer;

/// A group's first row in the map: what its other rows amount to.
///
/// ```
/// header := version:u8 (1) term:i64 index:i64 nextBranch:i64 importing:u8 readableFrom:i64
/// ```
record Header(LogPosition position, long nextBranch, boolean importing, long readableFrom) {
    private static final int VERSION = 1;

    byte[] encode() {
        return ByteBuffer.allocate(1 + 24 + 1 + 8)
                .put((byte) VERSION)
                .putLong(position.term())
                .putLong(position.index())
                .putLong(nextBranch)
                .put((byte) (importing ? 1 : 0))
                .putLong(readableFrom)
                .array();
    }

    static Header decode(byte[] bytes) {
        Bytes in = new Bytes(ByteBuffer.wrap(bytes), "group header", ErrorCode.CORRUPT);
        int version = in.u8();
        if (version != VERSION) {
            throw in.bad("version " + version);
        }
        Header header =
                new Header(new LogPosition(in.i64(), in.i64()), in.i64(), in.flag(), in.i64());
        in.end();
        return header;
    }
}
