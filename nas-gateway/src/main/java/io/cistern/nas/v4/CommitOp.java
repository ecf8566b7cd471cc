package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// COMMIT (RFC 8881 section 18.3).
record CommitOp() implements Operation {
    static CommitOp decode(XdrReader in) {
        in.readLong();
        in.readInt();
        return new CommitOp();
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.access(NfsStatus.ISDIR);
        Attributes now = await(a.files().commit(a.file()));
        Types.requireRegular(now.type());
        out.writeLong(a.share().owned());
    }
}
