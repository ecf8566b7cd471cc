package io.cistern.nas.v4;

import io.cistern.nas.share.NfsException;
import io.cistern.nas.state.SessionId;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// DESTROY_SESSION (RFC 8881 section 18.37).
record DestroySessionOp(SessionId id) implements Operation {
    static DestroySessionOp decode(XdrReader in) {
        return new DestroySessionOp(Wire4.readSessionId(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        boolean own = c.inSession() && c.session().id().equals(id);
        if (own && !c.last()) {
            throw new NfsException(Status4.NOT_ONLY_OP, "must be the last operation");
        }
        c.state().destroySession(id, c.call().peer().id(), own ? c.slot() : -1);
    }
}
