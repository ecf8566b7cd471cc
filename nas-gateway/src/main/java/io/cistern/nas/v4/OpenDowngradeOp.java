package io.cistern.nas.v4;

import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.StateId;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// OPEN_DOWNGRADE (RFC 8881 section 18.18).
record OpenDowngradeOp(StateId id, int access, int deny) implements Operation {
    private static final int WANT_BITS = 0x3_ff00;

    static OpenDowngradeOp decode(XdrReader in) {
        StateId id = Wire4.readStateId(in);
        in.readInt(); // seqid
        return new OpenDowngradeOp(id, in.readInt(), in.readInt());
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.access(Status4.BAD_STATEID);
        int wanted = access & ~WANT_BITS;
        if (wanted < 1 || wanted > 3 || deny < 0 || deny > 3) {
            throw new NfsException(NfsStatus.INVAL, "undefined access or deny bits");
        }
        StateId now = c.state().downgrade(c.stateid(id), c.client(), Compound.key(a), wanted, deny);
        c.setState(now);
        Wire4.write(out, now);
    }

    @Override
    public int resultBytes() {
        return 16;
    }
}
