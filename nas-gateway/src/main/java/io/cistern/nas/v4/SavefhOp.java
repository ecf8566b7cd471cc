package io.cistern.nas.v4;

import io.cistern.nas.xdr.XdrWriter;

/// SAVEFH (RFC 8881 section 18.28).
record SavefhOp() implements Operation {
    @Override
    public void execute(Compound c, XdrWriter out) {
        c.save();
    }
}
