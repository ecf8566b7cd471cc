package io.cistern.nas.v4;

import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// RECLAIM_COMPLETE (RFC 8881 section 18.51).
record ReclaimCompleteOp(boolean oneShare) implements Operation {
    static ReclaimCompleteOp decode(XdrReader in) {
        return new ReclaimCompleteOp(in.readBool());
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        if (oneShare) {
            c.handle(); // for a file system that moved here: its client has nothing to wait for
        } else {
            c.state().reclaimComplete(c.client());
        }
    }
}
