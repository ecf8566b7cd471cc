package io.cistern.nas.v4;

import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// DESTROY_CLIENTID (RFC 8881 section 18.50).
record DestroyClientidOp(long client) implements Operation {
    static DestroyClientidOp decode(XdrReader in) {
        return new DestroyClientidOp(in.readLong());
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        c.state().destroyClient(client);
    }
}
