package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// GETXATTR (RFC 8276 section 8.4.1).
record GetxattrOp(ByteString name) implements Operation {
    static GetxattrOp decode(XdrReader in) {
        return new GetxattrOp(Xattrs.readName(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.access(NfsStatus.NOTSUPP);
        Xattrs.check(name);
        out.writeOpaque(await(a.files().xattr(a.who(), a.file(), name)).toByteArray());
    }
}
