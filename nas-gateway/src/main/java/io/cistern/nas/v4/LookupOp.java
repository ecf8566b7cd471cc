package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileId;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// LOOKUP (RFC 8881 section 18.13).
record LookupOp(ByteString name) implements Operation {
    static LookupOp decode(XdrReader in) {
        return new LookupOp(Wire4.readName(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        if (c.atRoot()) {
            Wire4.checkName(name);
            c.setFile(RootDirectory.enter(c, name), FileId.ROOT);
            return;
        }
        Access a = c.access();
        try {
            Wire4.checkName(name);
        } catch (NfsException e) {
            await(a.files().lookup(a.who(), a.file(), ByteString.utf8("."))); // a directory?
            throw e;
        }
        c.setFile(a, await(a.files().lookup(a.who(), a.file(), name)).file().id());
    }
}
