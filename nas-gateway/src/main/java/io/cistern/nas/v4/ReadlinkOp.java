package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.nas.share.Access;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrWriter;

/// READLINK (RFC 8881 section 18.24).
record ReadlinkOp() implements Operation {
    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.access(Status4.WRONG_TYPE);
        out.writeOpaque(await(a.files().readlink(a.file())).toByteArray());
    }
}
