package io.cistern.nas.v4;

import io.cistern.nas.share.HandleCodec;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// PUTFH (RFC 8881 section 18.19).
record PutfhOp(byte[] handle) implements Operation {
    static PutfhOp decode(XdrReader in) {
        return new PutfhOp(in.readOpaque(HandleCodec.MAX_V4_BYTES, "file handle"));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        c.setHandle(c.parts().shares().handles().decode(handle));
    }
}
