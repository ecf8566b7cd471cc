package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.FileSystem;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.StateId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// READ (RFC 8881 section 18.22). Where the session's replies are short, fewer bytes come.
record ReadOp(StateId id, long offset, long count) implements Operation {
    static ReadOp decode(XdrReader in) {
        return new ReadOp(Wire4.readStateId(in), in.readLong(), in.readUint());
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.io(c.access(NfsStatus.ISDIR), id, false);
        long most = Math.min(FileSystem.MAX_IO_BYTES, Math.max(0, c.room() - 12) & ~3);
        int length = (int) Math.min(count, most);
        if (offset < 0) {
            await(a.files().read(a.who(), a.file(), 0, 0)); // the right to, and a file?
            out.writeBool(true).writeInt(0);
            return;
        }
        Access.Bytes found = a.read(offset, length, out.allocator());
        c.client().usage().read(found.data().readableBytes());
        out.writeBool(found.end()).writeOpaqueGiven(found.data());
    }
}
