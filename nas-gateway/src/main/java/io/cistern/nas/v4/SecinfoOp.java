package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.rpc.Credential;
import io.cistern.nas.share.Access;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// SECINFO (RFC 8881 section 18.29). It consumes the current file handle.
record SecinfoOp(ByteString name) implements Operation {
    static SecinfoOp decode(XdrReader in) {
        return new SecinfoOp(Wire4.readName(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Wire4.checkName(name);
        if (c.atRoot()) {
            RootDirectory.enter(c, name);
        } else {
            Access a = c.access();
            await(a.files().lookup(a.who(), a.file(), name));
        }
        writeFlavors(out);
        c.setHandle(null);
    }

    static void writeFlavors(XdrWriter out) {
        out.writeInt(2).writeInt(Credential.FLAVOR_SYS).writeInt(Credential.FLAVOR_NONE);
    }
}
