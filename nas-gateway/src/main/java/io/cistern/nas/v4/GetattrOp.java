package io.cistern.nas.v4;

import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// GETATTR (RFC 8881 section 18.7).
record GetattrOp(int[] asked) implements Operation {
    static GetattrOp decode(XdrReader in) {
        return new GetattrOp(Fattr4.readMask(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        AttributeTable.write(out, asked, AttributeSource.current(c));
    }
}
