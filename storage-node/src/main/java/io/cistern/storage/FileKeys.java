package io.cistern.storage;

import java.nio.ByteBuffer;
import java.util.Arrays;

/// Keys of shares' rows in the map, see [RowKeys] for what follows the branch or volume.
///
/// ```
/// content := group:i64 'F' branch:i64 key ~epoch:u32      newest epoch first
/// own     := group:i64 'T' volume:i64 key                 not in snapshots
/// value   := 0:u8                                         content only: gone since that epoch
///          | 1:u8 bytes
/// ```
final class FileKeys {
    static final char CONTENT = 'F';
    static final char OWN = 'T';

    /// Where the key begins.
    static final int HEAD = 17;

    private static final int EPOCH = 4;

    /// A row that is not there.
    static final byte[] TOMBSTONE = {0};

    private FileKeys() {}

    /// What every row of a branch begins with, followed by `key`.
    static byte[] content(long group, long branch, byte[] key) {
        return start(group, CONTENT, branch, key, 0).array();
    }

    static byte[] content(long group, long branch, byte[] key, int epoch) {
        return start(group, CONTENT, branch, key, EPOCH).putInt(~epoch).array();
    }

    static byte[] own(long group, long volume, byte[] key) {
        return start(group, OWN, volume, key, 0).array();
    }

    private static ByteBuffer start(long group, char kind, long id, byte[] key, int more) {
        return ByteBuffer.allocate(HEAD + key.length + more)
                .putLong(group)
                .put((byte) kind)
                .putLong(id)
                .put(key);
    }

    static boolean isFile(char kind) {
        return kind == CONTENT || kind == OWN;
    }

    static int epoch(byte[] contentKey) {
        return ~ByteBuffer.wrap(contentKey).getInt(contentKey.length - EPOCH);
    }

    static long branch(byte[] contentKey) {
        return ByteBuffer.wrap(contentKey).getLong(HEAD - 8);
    }

    /// The key within its branch.
    static byte[] key(byte[] contentKey) {
        return Arrays.copyOfRange(contentKey, HEAD, contentKey.length - EPOCH);
    }

    static byte[] ownKey(byte[] key) {
        return Arrays.copyOfRange(key, HEAD, key.length);
    }

    /// Whether two content keys differ in their epoch at most.
    static boolean sameRow(byte[] a, byte[] b) {
        return a.length == b.length
                && Arrays.equals(a, 0, a.length - EPOCH, b, 0, b.length - EPOCH);
    }

    /// The end of a row's epochs: behind it comes the next row.
    static byte[] behind(byte[] contentPrefix) {
        byte[] key = Arrays.copyOf(contentPrefix, contentPrefix.length + EPOCH);
        Arrays.fill(key, contentPrefix.length, key.length, (byte) 0xff);
        return key;
    }

    static byte[] stored(byte[] value) {
        byte[] stored = new byte[value.length + 1];
        stored[0] = 1;
        System.arraycopy(value, 0, stored, 1, value.length);
        return stored;
    }

    static boolean isTombstone(byte[] stored) {
        return stored[0] == 0;
    }

    static byte[] value(byte[] stored) {
        return Arrays.copyOfRange(stored, 1, stored.length);
    }

    static boolean startsWith(byte[] key, byte[] prefix) {
        return key.length >= prefix.length
                && Arrays.equals(key, 0, prefix.length, prefix, 0, prefix.length);
    }
}
