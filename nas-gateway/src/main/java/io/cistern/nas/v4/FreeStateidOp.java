package io.cistern.nas.v4;

import io.cistern.nas.state.StateId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// FREE_STATEID (RFC 8881 section 18.38).
record FreeStateidOp(StateId id) implements Operation {
    static FreeStateidOp decode(XdrReader in) {
        return new FreeStateidOp(Wire4.readStateId(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        c.state().free(c.stateid(id), c.client());
    }
}
