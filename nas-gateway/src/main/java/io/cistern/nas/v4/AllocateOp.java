package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Call;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.StateId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// ALLOCATE (RFC 7862 section 15.1).
record AllocateOp(StateId id, long offset, long length) implements Operation {
    static AllocateOp decode(XdrReader in) {
        return new AllocateOp(Wire4.readStateId(in), in.readLong(), in.readLong());
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.io(c.access(NfsStatus.ISDIR).forChange(), id, true);
        Wire4.checkExtent(offset, length);
        c.changing(
                a, id, () -> await(a.files().allocate(Call.of(a.who()), a.file(), offset, length)));
    }
}
