package io.cistern.nas.v4;

import io.cistern.nas.share.Access;
import io.cistern.nas.state.StateId;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// LOCKU (RFC 8881 section 18.12).
record LockuOp(StateId id, long offset, long length) implements Operation {
    static LockuOp decode(XdrReader in) {
        LockTypes.read(in);
        in.readInt(); // seqid
        return new LockuOp(Wire4.readStateId(in), in.readLong(), in.readLong());
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.access(Status4.BAD_STATEID);
        long last = Wire4.lastByte(offset, length);
        StateId now = c.state().unlock(c.stateid(id), c.client(), Compound.key(a), offset, last);
        c.setState(now);
        Wire4.write(out, now);
    }

    @Override
    public int resultBytes() {
        return 16;
    }
}
