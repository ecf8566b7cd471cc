package io.cistern.nas.v4;

import io.cistern.block.fs.FileResults.Written;
import io.cistern.block.fs.FileSystem;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.StateId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import io.netty.buffer.ByteBuf;

/// WRITE (RFC 8881 section 18.32). Every write is on stable storage when it is answered.
record WriteOp(StateId id, long offset, ByteBuf data) implements Operation {
    static final int FILE_SYNC = 2;

    static WriteOp decode(XdrReader in) {
        StateId id = Wire4.readStateId(in);
        long offset = in.readLong();
        in.readEnum(FILE_SYNC, "stable_how4");
        return new WriteOp(id, offset, in.readOpaqueView(FileSystem.MAX_IO_BYTES, "data"));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.io(c.access(NfsStatus.ISDIR).forChange(), id, true);
        if (offset < 0) {
            throw new NfsException(NfsStatus.FBIG, "beyond the largest file");
        }
        Written written = c.changing(a, id, () -> a.write(offset, data.nioBuffer()));
        c.client().usage().wrote(written.count());
        out.writeInt(written.count()).writeInt(FILE_SYNC).writeLong(a.share().owned());
    }

    @Override
    public int resultBytes() {
        return 16;
    }
}
