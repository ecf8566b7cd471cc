package io.cistern.nas.v4;

import io.cistern.nas.share.NfsException;
import io.cistern.nas.xdr.XdrWriter;

/// An operation that is always refused: it is not offered, or it is unknown. Its arguments are not
/// looked at, because nothing after it is carried out.
record RefusedOp(int status) implements Operation {
    @Override
    public void execute(Compound c, XdrWriter out) {
        throw new NfsException(status, "not offered");
    }
}
