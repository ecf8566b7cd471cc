package io.cistern.nas.v3;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.FileResults.Changed;
import io.cistern.block.fs.FileType;
import io.cistern.block.fs.SetAttributes;
import io.cistern.block.fs.SetAttributes.SetTime;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import org.jspecify.annotations.Nullable;

/// Attributes as NFSv3 writes them (RFC 1813 sections 2.5 and 2.6).
final class Attr3 {
    /// Bytes of a post_op_attr with attributes.
    static final int POST_OP_BYTES = 4 + 84;

    private static final int NANOS = 1_000_000_000;

    private Attr3() {}

    static int typeNumber(FileType type) {
        return switch (type) {
            case REGULAR -> 1;
            case DIRECTORY -> 2;
            case BLOCK_DEVICE -> 3;
            case CHARACTER_DEVICE -> 4;
            case SYMLINK -> 5;
            case SOCKET -> 6;
            case FIFO -> 7;
        };
    }

    /// @param share part of the fsid, so that each share and each snapshot is a file system
    static void write(XdrWriter out, long share, Attributes a) {
        out.writeInt(typeNumber(a.type())).writeInt(a.mode()).writeInt(a.links());
        out.writeInt(a.uid()).writeInt(a.gid()).writeLong(a.size()).writeLong(a.usedBytes());
        out.writeInt(a.deviceMajor()).writeInt(a.deviceMinor());
        out.writeLong(fsid(share, a)).writeLong(a.id().inode());
        writeTime(out, a.atimeNanos());
        writeTime(out, a.mtimeNanos());
        writeTime(out, a.ctimeNanos());
    }

    private static long fsid(long share, Attributes a) {
        return share ^ Long.rotateLeft(a.id().snapshot(), 32);
    }

    static void writePostOp(XdrWriter out, long share, @Nullable Attributes a) {
        out.writeBool(a != null);
        if (a != null) {
            write(out, share, a);
        }
    }

    static void writeWcc(XdrWriter out, long share, Changed changed) {
        Attributes before = changed.before();
        out.writeBool(true).writeLong(before.size());
        writeTime(out, before.mtimeNanos());
        writeTime(out, before.ctimeNanos());
        writePostOp(out, share, changed.after());
    }

    /// wcc_data of what was not changed, or where what was before is not known.
    static void writeWccAfter(XdrWriter out, long share, @Nullable Attributes after) {
        out.writeBool(false);
        writePostOp(out, share, after);
    }

    /// Seconds are unsigned in NFSv3: times before 1970 and after 2106 are clamped.
    static void writeTime(XdrWriter out, long nanos) {
        long seconds = Math.floorDiv(nanos, NANOS);
        if (seconds < 0) {
            out.writeInt(0).writeInt(0);
        } else if (seconds > 0xffff_ffffL) {
            out.writeInt(-1).writeInt(NANOS - 1);
        } else {
            out.writeUint(seconds).writeInt((int) Math.floorMod(nanos, (long) NANOS));
        }
    }

    static long readTime(XdrReader in) {
        long seconds = in.readUint();
        long nanos = in.readUint();
        return seconds * NANOS + Math.min(nanos, NANOS - 1);
    }

    /// sattr3.
    static SetAttributes readSet(XdrReader in) {
        Integer mode = in.readBool() ? in.readInt() & 07777 : null;
        Integer uid = in.readBool() ? in.readInt() : null;
        Integer gid = in.readBool() ? in.readInt() : null;
        Long size = in.readBool() ? in.readLong() : null;
        SetTime atime = readSetTime(in);
        SetTime mtime = readSetTime(in);
        return new SetAttributes(mode, uid, gid, size, atime, mtime);
    }

    private static @Nullable SetTime readSetTime(XdrReader in) {
        return switch (in.readEnum(2, "time_how")) {
            case 1 -> SetTime.SERVER;
            case 2 -> SetTime.to(readTime(in));
            default -> null;
        };
    }
}
