package io.cistern.nas.v4;

import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.SessionId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// BIND_CONN_TO_SESSION (RFC 8881 section 18.34).
record BindConnToSessionOp(SessionId id, int direction) implements Operation {
    private static final int FORE = 1;
    private static final int BACK = 2;
    private static final int BOTH = 3;
    private static final int BACK_OR_BOTH = 7;

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
                && direction != BOTH
                && direction != BACK_OR_BOTH) {
            throw new NfsException(NfsStatus.INVAL, "undefined direction");
        }
        c.state().useSession(id, c.call().peer().id());
        Wire4.write(out, id);
        out.writeInt(direction == BACK_OR_BOTH ? BOTH : direction).writeBool(false);
    }
}
