package io.cistern.storage;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// Keys in the map. Big-endian, so that they sort as their parts do.
///
/// ```
/// header     := group:i64 'H'
/// volume     := group:i64 'V' volume:i64
/// snapshot   := group:i64 'S' volume:i64 branch:i64 epoch:u32
/// branch     := group:i64 'B' branch:i64
/// window     := group:i64 'W' volume:i64 attachment:i64
/// row        := group:i64 'R' branch:i64 granule:i64 ~epoch:u32      newest epoch first
/// ```
final class Keys {
    static final char HEADER = 'H';
    static final char VOLUME = 'V';
    static final char SNAPSHOT = 'S';
    static final char BRANCH = 'B';
    static final char WINDOW = 'W';
    static final char ROW = 'R';

    /// Length of a row's key.
    static final int ROW_BYTES = 29;

    private Keys() {}

    private static ByteBuffer start(int bytes, long group, char kind) {
        return ByteBuffer.allocate(bytes).putLong(group).put((byte) kind);
    }

    static byte[] of(long group, char kind) {
        return start(9, group, kind).array();
    }

    static byte[] of(long group, char kind, long id) {
        return start(17, group, kind).putLong(id).array();
    }

    static byte[] of(long group, char kind, long id, long second) {
        return start(25, group, kind).putLong(id).putLong(second).array();
    }

    static byte[] snapshot(long group, long volume, long branch, int epoch) {
        return start(29, group, SNAPSHOT).putLong(volume).putLong(branch).putInt(epoch).array();
    }

    static byte[] row(long group, RowKey key) {
        return start(ROW_BYTES, group, ROW)
                .putLong(key.branch())
                .putLong(key.granule())
                .putInt(~key.epoch())
                .array();
    }

    static RowKey row(byte[] key) {
        ByteBuffer in = ByteBuffer.wrap(key).order(ByteOrder.BIG_ENDIAN);
        return new RowKey(in.getLong(9), in.getLong(17), ~in.getInt(25));
    }

    static long group(byte[] key) {
        return ByteBuffer.wrap(key).getLong(0);
    }

    static char kind(byte[] key) {
        return (char) key[8];
    }

    static boolean isRow(byte[] key, long group) {
        return key.length == ROW_BYTES && kind(key) == ROW && group(key) == group;
    }

    /// The same key in another group (tables travel without their group).
    static byte[] inGroup(long group, byte[] key) {
        byte[] copy = key.clone();
        ByteBuffer.wrap(copy).putLong(0, group);
        return copy;
    }
}
