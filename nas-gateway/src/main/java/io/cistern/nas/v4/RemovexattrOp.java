package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// REMOVEXATTR (RFC 8276 section 8.4.4).
record RemovexattrOp(ByteString name) implements Operation {
    static RemovexattrOp decode(XdrReader in) {
        return new RemovexattrOp(Xattrs.readName(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.access(NfsStatus.NOTSUPP).forChange();
        Xattrs.check(name);
        Call call = c.once(a);
        Wire4.writeChange(
                out, c.changing(a, call, () -> await(a.files().removeXattr(call, a.file(), name))));
    }

    @Override
    public int resultBytes() {
        return 20;
    }
}
