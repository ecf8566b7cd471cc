package io.cistern.nas.v4;

import io.cistern.nas.share.NfsException;
import io.cistern.nas.state.StateId;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// DELEGRETURN (RFC 8881 section 18.6): there are no delegations, so none can be returned.
record DelegreturnOp(StateId id) implements Operation {
    static DelegreturnOp decode(XdrReader in) {
        return new DelegreturnOp(Wire4.readStateId(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        c.handle();
        throw new NfsException(Status4.BAD_STATEID, "not a delegation");
    }
}
