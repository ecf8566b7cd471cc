package io.cistern.nas.v4;

import io.cistern.nas.xdr.XdrWriter;

/// GETFH (RFC 8881 section 18.8).
record GetfhOp() implements Operation {
    @Override
    public void execute(Compound c, XdrWriter out) {
        out.writeOpaque(c.encode(c.handle()));
    }
}
