package io.cistern.block.fs.engine;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileSystem;

/// An entry of a directory, kept twice: by its name and by its cookie.
///
/// ```
/// dirent := version:u8 (1) inode:i64 generation:u32 cookie:i64        by name
/// cookie := version:u8 (1) inode:i64 generation:u32 name:bytes        by cookie
/// ```
record Dirent(ByteString name, long inode, int generation, long cookie) {
    private static final int VERSION = 1;

    byte[] byName() {
        return new ByteWriter().u8(VERSION).i64(inode).i32(generation).i64(cookie).array();
    }

    byte[] byCookie() {
        return new ByteWriter().u8(VERSION).i64(inode).i32(generation).bytes(name).array();
    }

    static Dirent byName(ByteString name, byte[] row) {
        ByteReader in = ByteReader.row(row, "directory entry");
        in.version(VERSION);
        Dirent dirent = new Dirent(name, in.i64(), in.i32(), in.i64());
        in.end();
        return dirent;
    }

    static Dirent byCookie(long cookie, byte[] row) {
        ByteReader in = ByteReader.row(row, "directory entry");
        in.version(VERSION);
        long inode = in.i64();
        int generation = in.i32();
        Dirent dirent = new Dirent(in.bytes(FileSystem.MAX_NAME_BYTES), inode, generation, cookie);
        in.end();
        return dirent;
    }
}
