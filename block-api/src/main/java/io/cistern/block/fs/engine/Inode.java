package io.cistern.block.fs.engine;

import io.cistern.block.BlockDevice;
import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileType;
import org.jspecify.annotations.Nullable;

/// An inode while it is looked at or changed.
///
/// ```
/// inode := version:u8 (1) type:u8 generation:u32 mode:u16 links:u32 uid:u32 gid:u32 size:i64
///          usedBlocks:i64 major:u32 minor:u32 atime:i64 mtime:i64 ctime:i64 btime:i64 change:i64
///          parent:i64 nextCookie:i64 entries:i64 xattrs:u32 xattrBytes:i64
///          hasVerifier:u8 [verifier:i64] farMap:i64 extents:u8 (granule:i64)[extents]
/// ```
///
/// Extents are those of [Extents#NEAR], by index, -1 where there is none.
final class Inode {
    private static final int VERSION = 1;

    /// What a directory's size shows per entry, over one block.
    private static final int ENTRY_BYTES = 32;

    final long number;
    final FileType type;
    final int generation;
    int mode;
    int links;
    int uid;
    int gid;
    long size;
    long usedBlocks;
    int major;
    int minor;
    long atime;
    long mtime;
    long ctime;
    long btime;
    long change;
    long parent;
    long nextCookie;
    long entries;
    int xattrs;
    long xattrBytes;
    @Nullable Long verifier;
    long farMap;
    long[] extents = {};

    Inode(long number, FileType type, int generation) {
        this.number = number;
        this.type = type;
        this.generation = generation;
    }

    boolean isDirectory() {
        return type == FileType.DIRECTORY;
    }

    boolean isRegular() {
        return type == FileType.REGULAR;
    }

    FileId id() {
        return new FileId(0, number, generation);
    }

    Attributes attributes(long snapshot) {
        return new Attributes(
                new FileId(snapshot, number, generation),
                type,
                parent,
                mode,
                links,
                uid,
                gid,
                isDirectory() ? BlockDevice.BLOCK_BYTES + entries * ENTRY_BYTES : size,
                usedBlocks * BlockDevice.BLOCK_BYTES,
                major,
                minor,
                atime,
                mtime,
                ctime,
                btime,
                change);
    }

    byte[] encode() {
        ByteWriter out = new ByteWriter();
        out.u8(VERSION).u8(type.ordinal()).i32(generation).u16(mode).i32(links).i32(uid).i32(gid);
        out.i64(size).i64(usedBlocks).i32(major).i32(minor);
        out.i64(atime).i64(mtime).i64(ctime).i64(btime).i64(change);
        out.i64(parent).i64(nextCookie).i64(entries).i32(xattrs).i64(xattrBytes);
        out.optional(verifier).i64(farMap).u8(extents.length);
        for (long extent : extents) {
            out.i64(extent);
        }
        return out.array();
    }

    static Inode decode(long number, byte[] row) {
        ByteReader in = ByteReader.row(row, "inode");
        in.version(VERSION);
        Inode inode = new Inode(number, in.choice(FileType.values()), in.i32());
        inode.mode = in.u16();
        inode.links = in.i32();
        inode.uid = in.i32();
        inode.gid = in.i32();
        inode.size = in.i64();
        inode.usedBlocks = in.i64();
        inode.major = in.i32();
        inode.minor = in.i32();
        inode.atime = in.i64();
        inode.mtime = in.i64();
        inode.ctime = in.i64();
        inode.btime = in.i64();
        inode.change = in.i64();
        inode.parent = in.i64();
        inode.nextCookie = in.i64();
        inode.entries = in.i64();
        inode.xattrs = in.i32();
        inode.xattrBytes = in.i64();
        inode.verifier = in.optionalLong();
        inode.farMap = in.i64();
        inode.extents = new long[in.u8()];
        for (int i = 0; i < inode.extents.length; i++) {
            inode.extents[i] = in.i64();
        }
        in.end();
        return inode;
    }
}
