package io.cistern.nas.v4;

import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// BACKCHANNEL_CTL (RFC 8881 section 18.33): nothing is ever called back, so there is nothing to
/// change.
record BackchannelCtlOp() implements Operation {
    static BackchannelCtlOp decode(XdrReader in) {
        in.readInt();
        CallbackSecurity.skip(in);
        return new BackchannelCtlOp();
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        c.session();
    }
}
