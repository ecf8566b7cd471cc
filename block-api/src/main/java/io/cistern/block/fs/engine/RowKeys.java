package io.cistern.block.fs.engine;

import io.cistern.block.fs.ByteString;
import java.nio.ByteBuffer;

/// Keys of a share's rows, big-endian so that they sort as their parts do. Rows with a capital
/// letter belong to the file system's contents: a snapshot freezes them and a clone starts from
/// them. Rows with a small letter belong to the share alone. No key of a content row is the
/// beginning of another: names end in a NUL, which no name contains.
///
/// ```
/// share      := 'S'                                    counters, see ShareRecord
/// inode      := 'I' inode:u64
/// dirent     := 'D' directory:u64 name NUL
/// cookie     := 'C' directory:u64 cookie:u64
/// symlink    := 'L' inode:u64
/// xattr      := 'X' inode:u64 name NUL
/// orphan     := 'P' inode:u64                          without a name, held
/// far        := 'R' map:u64 index:u64                  extents of a file beyond 2 TiB
/// bits       := 'B' chunk:u64                          allocated blocks of 16 MiB of data space
/// next       := 'N' class:u8                           extents of a class ever taken
/// free       := 'F' class:u8 granule:u64               extents to be taken again
/// garbage    := 'G' granule:u64                        extents to be emptied
/// farGarbage := 'H' map:u64
/// state      := 'k' key                                the front end's
/// once       := 'o' client:u64 slot:u32
/// hold       := 'h' inode:u64 client:u64 open:u64
/// held       := 'c' client:u64 inode:u64 open:u64
/// settings   := 'r'                                    an administrator's, for the front end
/// totals     := 's'                                    see StateRecord
/// ```
public final class RowKeys {
    /// The row that every share has.
    public static final byte[] SHARE = {'S'};

    static final byte[] SETTINGS = {'r'};
    static final byte[] TOTALS = {'s'};
    static final byte[] GARBAGE = {'G'};
    static final byte[] FAR_GARBAGE = {'H'};
    static final byte[] ORPHANS = {'P'};

    private RowKeys() {}

    /// Whether snapshots freeze this row.
    public static boolean isContent(byte[] key) {
        return key[0] < 'a';
    }

    /// Which list a row is of, or a prefix names, whose rows are taken away from the first on: the
    /// orphans, the garbage, the free extents of a class. -1: none of these.
    public static int queue(byte[] key) {
        return switch (key[0]) {
            case 'P', 'G', 'H' -> key[0] << 8;
            case 'F' -> key.length > 1 ? key[0] << 8 | key[1] : -1;
            default -> -1;
        };
    }

    private static ByteBuffer start(char kind, int bytes) {
        return ByteBuffer.allocate(1 + bytes).put((byte) kind);
    }

    private static byte[] of(char kind, long a) {
        return start(kind, 8).putLong(a).array();
    }

    private static byte[] of(char kind, long a, long b) {
        return start(kind, 16).putLong(a).putLong(b).array();
    }

    private static byte[] of(char kind, long a, long b, long c) {
        return start(kind, 24).putLong(a).putLong(b).putLong(c).array();
    }

    private static byte[] named(char kind, long inode, ByteString name) {
        ByteBuffer key = start(kind, 8 + name.length() + 1).putLong(inode);
        name.putTo(key);
        return key.array();
    }

    static byte[] inode(long inode) {
        return of('I', inode);
    }

    static byte[] dirent(long directory, ByteString name) {
        return named('D', directory, name);
    }

    static byte[] cookies(long directory) {
        return of('C', directory);
    }

    static byte[] cookie(long directory, long cookie) {
        return of('C', directory, cookie);
    }

    static long cookie(byte[] key) {
        return ByteBuffer.wrap(key).getLong(9);
    }

    static byte[] symlink(long inode) {
        return of('L', inode);
    }

    static byte[] xattrs(long inode) {
        return of('X', inode);
    }

    static byte[] xattr(long inode, ByteString name) {
        return named('X', inode, name);
    }

    /// The name in a dirent's or an xattr's key.
    static ByteString name(byte[] key) {
        return ByteString.copyOf(ByteBuffer.wrap(key, 9, key.length - 10));
    }

    static byte[] orphan(long inode) {
        return of('P', inode);
    }

    static byte[] farMap(long map) {
        return of('R', map);
    }

    static byte[] far(long map, long index) {
        return of('R', map, index);
    }

    static long second(byte[] key) {
        return ByteBuffer.wrap(key).getLong(9);
    }

    static long first(byte[] key) {
        return ByteBuffer.wrap(key).getLong(1);
    }

    static byte[] bits(long chunk) {
        return of('B', chunk);
    }

    static byte[] allBits() {
        return new byte[] {'B'};
    }

    static byte[] next(int extentClass) {
        return new byte[] {'N', (byte) extentClass};
    }

    static byte[] free(int extentClass) {
        return new byte[] {'F', (byte) extentClass};
    }

    static byte[] free(int extentClass, long granule) {
        return start('F', 9).put((byte) extentClass).putLong(granule).array();
    }

    static byte[] garbage(long granule) {
        return of('G', granule);
    }

    static byte[] farGarbage(long map) {
        return of('H', map);
    }

    static byte[] state(ByteString key) {
        ByteBuffer out = start('k', key.length());
        key.putTo(out);
        return out.array();
    }

    static ByteString stateKey(byte[] key) {
        return ByteString.copyOf(ByteBuffer.wrap(key, 1, key.length - 1));
    }

    static byte[] onces(long client) {
        return of('o', client);
    }

    static byte[] once(long client, int slot) {
        return start('o', 12).putLong(client).putInt(slot).array();
    }

    static byte[] holds(long inode) {
        return of('h', inode);
    }

    static byte[] hold(long inode, long client, long open) {
        return of('h', inode, client, open);
    }

    static byte[] held(long client) {
        return of('c', client);
    }

    static byte[] held(long client, long inode, long open) {
        return of('c', client, inode, open);
    }

    static long third(byte[] key) {
        return ByteBuffer.wrap(key).getLong(17);
    }
}
