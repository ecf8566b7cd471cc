package io.cistern.nas.v4;

import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.StateId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// COPY within a share, done when it is answered (RFC 7862 section 15.2). Long copies are answered
/// in part; the client asks for the rest.
record CopyOp(
        StateId from, StateId to, long fromOffset, long toOffset, long count, boolean otherServer)
        implements Operation {
    /// Most bytes of one answer, so that it comes before clients give up.
    private static final long MAX_BYTES = 64L << 20;

    private static final int MAX_SOURCES = 16;
    private static final int MAX_SOURCE_BYTES = 1_024;

    static CopyOp decode(XdrReader in) {
        StateId from = Wire4.readStateId(in);
        StateId to = Wire4.readStateId(in);
        long fromOffset = in.readLong();
        long toOffset = in.readLong();
        long count = in.readLong();
        in.readBool(); // consecutive: always
        in.readBool(); // synchronous: always
        int sources = in.readCount(MAX_SOURCES, "source servers");
        for (int i = 0; i < sources; i++) {
            boolean address = in.readEnum(3, "netloc_type4") == 3;
            in.readOpaque(MAX_SOURCE_BYTES, "source server");
            if (address) {
                in.readOpaque(MAX_SOURCE_BYTES, "source server");
            }
        }
        return new CopyOp(from, to, fromOffset, toOffset, count, sources > 0);
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        if (otherServer) {
            throw new NfsException(NfsStatus.NOTSUPP, "from another server");
        }
        Copying copying = Copying.prepare(c, from, to);
        long copied =
                c.changing(
                        copying.target(),
                        to,
                        () -> copying.run(fromOffset, toOffset, count, MAX_BYTES));
        out.writeInt(0).writeLong(copied).writeInt(WriteOp.FILE_SYNC);
        out.writeLong(copying.target().share().owned());
        out.writeBool(true).writeBool(true);
    }

    @Override
    public int resultBytes() {
        return 36;
    }
}
