package io.cistern.nas.v4;

import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.StateId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// IO_ADVISE (RFC 7862 section 15.5): heard, and none of it followed.
record IoAdviseOp(StateId id) implements Operation {
    private static final int MAX_WORDS = 8;

    static IoAdviseOp decode(XdrReader in) {
        StateId id = Wire4.readStateId(in);
        in.readLong();
        in.readLong();
        in.readBitmap(MAX_WORDS, "hints");
        return new IoAdviseOp(id);
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        c.io(c.access(NfsStatus.ISDIR), id, false);
        out.writeInt(0);
    }
}
