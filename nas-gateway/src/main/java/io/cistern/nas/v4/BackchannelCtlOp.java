package io.cistern.nas.v4;

import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.BackChannel;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import org.jspecify.annotations.Nullable;

/// BACKCHANNEL_CTL (RFC 8881 section 18.33).
record BackchannelCtlOp(int program, BackChannel.@Nullable Security security) implements Operation {
    static BackchannelCtlOp decode(XdrReader in) {
        return new BackchannelCtlOp(in.readInt(), CallbackSecurity.read(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        BackChannel back = c.session().back();
        if (security == null || back == null) {
            throw new NfsException(NfsStatus.INVAL, "no callbacks possible that way");
        }
        back.change(program, security);
    }
}
