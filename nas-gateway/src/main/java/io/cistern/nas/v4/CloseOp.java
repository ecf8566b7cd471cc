package io.cistern.nas.v4;

import io.cistern.nas.share.Access;
import io.cistern.nas.state.StateId;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// CLOSE (RFC 8881 section 18.2). Locks of the open are given up with it.
record CloseOp(StateId id) implements Operation {
    static CloseOp decode(XdrReader in) {
        in.readInt(); // seqid
        return new CloseOp(Wire4.readStateId(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.access(Status4.BAD_STATEID);
        c.state().close(c.stateid(id), c.client(), Compound.key(a));
        c.setState(StateId.INVALID);
        Wire4.write(out, StateId.INVALID);
    }

    @Override
    public int resultBytes() {
        return 16;
    }
}
