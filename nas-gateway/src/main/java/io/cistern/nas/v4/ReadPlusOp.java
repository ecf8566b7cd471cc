package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.FileSystem;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.StateId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import io.netty.buffer.ByteBuf;

/// READ_PLUS (RFC 7862 section 15.10): a hole, data, or a hole and the data after it.
record ReadPlusOp(StateId id, long offset, long count) implements Operation {
    private static final int DATA = 0;
    private static final int HOLE = 1;
    private static final int OVERHEAD_BYTES = 64;

    static ReadPlusOp decode(XdrReader in) {
        return new ReadPlusOp(Wire4.readStateId(in), in.readLong(), in.readUint());
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.io(c.access(NfsStatus.ISDIR), id, false);
        Attributes now = await(a.files().attributes(a.file()));
        Types.requireRegular(now.type());
        long size = now.size();
        await(a.files().read(a.who(), a.file(), 0, 0)); // the right to
        if (offset < 0 || offset >= size || count == 0) {
            out.writeBool(offset < 0 || offset >= size).writeInt(0);
            return;
        }
        long most = Math.min(FileSystem.MAX_IO_BYTES, Math.max(0, c.room() - OVERHEAD_BYTES) & ~3);
        long asked = offset + Math.min(count, size - offset);
        Long next = Extents4.next(a, offset, true);
        long dataBegin = next == null ? size : Math.min(next, size);
        if (dataBegin >= asked) {
            out.writeBool(asked >= size).writeInt(1);
            writeHole(out, offset, asked - offset);
            return;
        }
        Long hole = Extents4.next(a, dataBegin, false);
        long end = Math.min(asked, hole == null ? size : hole);
        int length = (int) Math.min(end - dataBegin, most);
        ByteBuf data = a.read(dataBegin, length, out.allocator()).data();
        boolean atEnd = dataBegin + data.readableBytes() >= size;
        out.writeBool(atEnd).writeInt(dataBegin > offset ? 2 : 1);
        if (dataBegin > offset) {
            writeHole(out, offset, dataBegin - offset);
        }
        out.writeInt(DATA).writeLong(dataBegin).writeOpaqueGiven(data);
    }

    private static void writeHole(XdrWriter out, long at, long length) {
        out.writeInt(HOLE).writeLong(at).writeLong(length);
    }
}
