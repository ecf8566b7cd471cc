package io.cistern.nas.v4;

import io.cistern.nas.state.StateId;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// DELEGRETURN (RFC 8881 section 18.6).
record DelegreturnOp(StateId id) implements Operation {
    static DelegreturnOp decode(XdrReader in) {
        return new DelegreturnOp(Wire4.readStateId(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        c.state()
                .delegations()
                .giveBack(c.stateid(id), c.client(), Compound.key(c.access(Status4.BAD_STATEID)));
    }
}
