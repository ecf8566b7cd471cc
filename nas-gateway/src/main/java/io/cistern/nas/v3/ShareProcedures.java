package io.cistern.nas.v3;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.FileResults.Space;
import io.cistern.block.fs.FileSystem;
import io.cistern.nas.share.Access;
import io.cistern.nas.xdr.XdrReader;

/// FSSTAT, FSINFO and PATHCONF (RFC 1813 sections 3.3.18 to 3.3.20).
final class ShareProcedures {
    private static final int BLOCK_BYTES = 4_096;
    private static final int LIST_BYTES = 128 << 10;

    /// LINK, SYMLINK, HOMOGENEOUS and CANSETTIME.
    private static final int PROPERTIES = 0x01 | 0x02 | 0x08 | 0x10;

    private ShareProcedures() {}

    static void fsstat(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        rq.answer(
                () -> {
                    Access a = rq.access(handle);
                    Attributes now = await(a.files().attributes(a.file()));
                    Space space = await(a.files().space());
                    return o -> {
                        Request3.postOp(o, a, now);
                        o.writeLong(space.totalBytes());
                        o.writeLong(space.freeBytes()).writeLong(space.freeBytes());
                        o.writeLong(space.files() + space.freeFiles());
                        o.writeLong(space.freeFiles()).writeLong(space.freeFiles());
                        o.writeInt(0);
                    };
                },
                rq.postOp(handle));
    }

    static void fsinfo(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        rq.answer(
                () -> {
                    Access a = rq.access(handle);
                    Attributes now = await(a.files().attributes(a.file()));
                    int io = FileSystem.MAX_IO_BYTES;
                    return o -> {
                        Request3.postOp(o, a, now);
                        o.writeInt(io).writeInt(io).writeInt(BLOCK_BYTES);
                        o.writeInt(io).writeInt(io).writeInt(BLOCK_BYTES);
                        o.writeInt(LIST_BYTES).writeLong(FileSystem.MAX_FILE_BYTES);
                        o.writeInt(0).writeInt(1); // time_delta: 1 ns
                        o.writeInt(PROPERTIES);
                    };
                },
                rq.postOp(handle));
    }

    static void pathconf(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        rq.answer(
                () -> {
                    Access a = rq.access(handle);
                    Attributes now = await(a.files().attributes(a.file()));
                    return o -> {
                        Request3.postOp(o, a, now);
                        o.writeInt(FileSystem.MAX_LINKS).writeInt(FileSystem.MAX_NAME_BYTES);
                        o.writeBool(true).writeBool(true).writeBool(false).writeBool(true);
                    };
                },
                rq.postOp(handle));
    }
}
