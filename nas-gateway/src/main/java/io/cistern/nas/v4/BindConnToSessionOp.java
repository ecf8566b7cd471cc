package io.cistern.nas.v4;

import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.BackChannel;
import io.cistern.nas.state.Session;
import io.cistern.nas.state.SessionId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// BIND_CONN_TO_SESSION (RFC 8881 section 18.34). A session that came from another server has no
/// back channel.
record BindConnToSessionOp(SessionId id, int direction) implements Operation {
    /// CDFC4_* and CDFS4_*.
    private static final int FORE = 1;

    private static final int BACK = 2;
    private static final int FORE_OR_BOTH = 3;
    private static final int BACK_OR_BOTH = 7;
    private static final int BOTH = 3;

    static BindConnToSessionOp decode(XdrReader in) {
        SessionId id = Wire4.readSessionId(in);
        int direction = in.readInt();
        in.readBool(); // RDMA mode, which is not offered
        return new BindConnToSessionOp(id, direction);
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        if (direction != FORE
                && direction != BACK
                && direction != FORE_OR_BOTH
                && direction != BACK_OR_BOTH) {
            throw new NfsException(NfsStatus.INVAL, "undefined direction");
        }
        Session session = c.parts().adoption().use(id, c.call());
        Wire4.write(out, id);
        out.writeInt(bind(c, session)).writeBool(false);
    }

    private int bind(Compound c, Session session) {
        BackChannel back = session.back();
        if (direction == FORE) {
            return FORE;
        }
        if (back == null) {
            if (direction != FORE_OR_BOTH) {
                throw new NfsException(NfsStatus.INVAL, "the session has no back channel");
            }
            return FORE;
        }
        back.add(c.call().peer());
        c.parts().callbacks().probe(session);
        return direction == BACK ? BACK : BOTH;
    }
}
