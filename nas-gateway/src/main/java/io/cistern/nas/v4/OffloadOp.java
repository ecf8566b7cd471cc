package io.cistern.nas.v4;

import io.cistern.nas.share.NfsException;
import io.cistern.nas.state.StateId;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// OFFLOAD_CANCEL and OFFLOAD_STATUS (RFC 7862 sections 15.8 and 15.9): copies are done when they
/// are answered, so none is under way.
record OffloadOp(StateId id) implements Operation {
    static OffloadOp decode(XdrReader in) {
        return new OffloadOp(Wire4.readStateId(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        c.handle();
        throw new NfsException(Status4.BAD_STATEID, "no copy of that id is under way");
    }
}
