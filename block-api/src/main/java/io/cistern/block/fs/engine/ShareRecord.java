package io.cistern.block.fs.engine;

/// A share's counters.
///
/// ```
/// share := version:u8 (1) nextInode:i64 inodes:i64 usedBlocks:i64 quota:i64 stamp:i64 time:i64
/// ```
final class ShareRecord {
    private static final int VERSION = 1;

    long nextInode;
    long inodes;
    long usedBlocks;

    /// Bytes; 0: none.
    long quota;

    /// The newest change counter given.
    long stamp;

    /// The newest time given, nanoseconds since 1970.
    long time;

    byte[] encode() {
        return new ByteWriter()
                .u8(VERSION)
                .i64(nextInode)
                .i64(inodes)
                .i64(usedBlocks)
                .i64(quota)
                .i64(stamp)
                .i64(time)
                .array();
    }

    static ShareRecord decode(byte[] row) {
        ByteReader in = ByteReader.row(row, "share record");
        in.version(VERSION);
        ShareRecord record = new ShareRecord();
        record.nextInode = in.i64();
        record.inodes = in.i64();
        record.usedBlocks = in.i64();
        record.quota = in.i64();
        record.stamp = in.i64();
        record.time = in.i64();
        in.end();
        return record;
    }
}
