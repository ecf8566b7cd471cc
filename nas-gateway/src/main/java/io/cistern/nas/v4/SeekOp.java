package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.StateId;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// SEEK (RFC 7862 section 15.11).
record SeekOp(StateId id, long offset, int what) implements Operation {
    private static final int HOLE = 1;

    static SeekOp decode(XdrReader in) {
        return new SeekOp(Wire4.readStateId(in), in.readLong(), in.readInt());
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.io(c.access(NfsStatus.ISDIR), id, false);
        if (what != 0 && what != HOLE) {
            throw new NfsException(Status4.UNION_NOTSUPP, "neither data nor hole");
        }
        Attributes now = await(a.files().attributes(a.file()));
        Types.requireRegular(now.type());
        if (offset < 0 || offset >= now.size()) {
            throw new NfsException(NfsStatus.NXIO, "at or beyond the end");
        }
        Long found = Extents4.next(a, offset, what != HOLE);
        if (found == null) {
            out.writeBool(true).writeLong(now.size());
        } else {
            out.writeBool(found >= now.size()).writeLong(found);
        }
    }
}
