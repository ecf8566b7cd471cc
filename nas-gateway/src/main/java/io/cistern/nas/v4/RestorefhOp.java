package io.cistern.nas.v4;

import io.cistern.nas.xdr.XdrWriter;

/// RESTOREFH (RFC 8881 section 18.27).
record RestorefhOp() implements Operation {
    @Override
    public void execute(Compound c, XdrWriter out) {
        c.restore();
    }
}
