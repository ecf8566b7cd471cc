package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.StateId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// CLONE (RFC 7862 section 15.13), of whole blocks. It copies: what it takes grows with the range.
record CloneOp(StateId from, StateId to, long fromOffset, long toOffset, long count)
        implements Operation {
    private static final int BLOCK_BYTES = 4_096;

    static CloneOp decode(XdrReader in) {
        return new CloneOp(
                Wire4.readStateId(in),
                Wire4.readStateId(in),
                in.readLong(),
                in.readLong(),
                in.readLong());
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Copying copying = Copying.prepare(c, from, to);
        Access source = copying.source();
        long size = await(source.files().attributes(source.file())).size();
        boolean toEnd = count == 0 || fromOffset + count == size;
        if (fromOffset % BLOCK_BYTES != 0
                || toOffset % BLOCK_BYTES != 0
                || (!toEnd && count % BLOCK_BYTES != 0)) {
            throw new NfsException(NfsStatus.INVAL, "not whole blocks");
        }
        c.changing(
                copying.target(),
                to,
                () -> copying.run(fromOffset, toOffset, count, Long.MAX_VALUE));
    }
}
