package io.cistern.nas.v3;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.FileResults.Written;
import io.cistern.block.fs.FileSystem;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.xdr.XdrReader;
import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;

/// READ, WRITE and COMMIT (RFC 1813 sections 3.3.6, 3.3.7 and 3.3.21). Every write is on stable
/// storage when it is answered.
final class DataProcedures {
    private static final int FILE_SYNC = 2;

    private DataProcedures() {}

    static void read(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        long offset = in.readLong();
        int count = (int) Math.min(in.readUint(), FileSystem.MAX_IO_BYTES);
        rq.answer(
                () -> {
                    Access a = rq.access(handle);
                    if (offset < 0) {
                        return atEnd(a);
                    }
                    Access.Bytes found = a.read(offset, count, rq.allocator());
                    return o -> {
                        Request3.postOp(o, a, found.file());
                        o.writeInt(found.data().readableBytes()).writeBool(found.end());
                        o.writeOpaqueGiven(found.data());
                    };
                },
                rq.postOp(handle));
    }

    /// Offsets beyond the largest file are beyond the end of every file.
    private static java.util.function.Consumer<io.cistern.nas.xdr.XdrWriter> atEnd(Access a) {
        Attributes now = await(a.files().attributes(a.file()));
        return o -> {
            Request3.postOp(o, a, now);
            o.writeInt(0).writeBool(true).writeInt(0);
        };
    }

    static void write(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        long offset = in.readLong();
        long count = in.readUint();
        in.readEnum(2, "stable_how");
        ByteBuf data = in.readOpaqueView(FileSystem.MAX_IO_BYTES, "data");
        rq.answer(
                () -> {
                    Access a = rq.access(handle).forChange();
                    if (count != data.readableBytes()) {
                        throw new NfsException(NfsStatus.INVAL, "count differs from the data");
                    }
                    if (offset < 0) {
                        throw new NfsException(NfsStatus.FBIG, "beyond the largest file");
                    }
                    ByteBuffer bytes = data.nioBuffer();
                    Written written = rq.changing(a, () -> a.write(offset, bytes));
                    return o -> {
                        Request3.wcc(o, a, written.file());
                        o.writeInt(written.count()).writeInt(FILE_SYNC);
                        o.writeLong(a.share().owned());
                    };
                },
                rq.wcc(handle));
    }

    static void commit(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        in.readLong(); // offset and count: everything is committed
        in.readInt();
        rq.answer(
                () -> {
                    Access a = rq.access(handle);
                    Attributes now = await(a.files().commit(a.file()));
                    return o -> {
                        Attr3.writeWccAfter(o, a.share().entry().id(), now);
                        o.writeLong(a.share().owned());
                    };
                },
                rq.wcc(handle));
    }
}
