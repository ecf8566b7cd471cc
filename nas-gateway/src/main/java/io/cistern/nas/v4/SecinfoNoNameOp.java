package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// SECINFO_NO_NAME (RFC 8881 section 18.45).
record SecinfoNoNameOp(boolean parent) implements Operation {
    static SecinfoNoNameOp decode(XdrReader in) {
        return new SecinfoNoNameOp(in.readEnum(1, "secinfo_style4") == 1);
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        if (c.atRoot()) {
            if (parent) {
                throw new NfsException(NfsStatus.NOENT, "nothing is above");
            }
        } else {
            Access a = c.access();
            if (parent && !await(a.files().attributes(a.file())).isDirectory()) {
                throw new NfsException(NfsStatus.NOTDIR, "not a directory");
            }
        }
        SecinfoOp.writeFlavors(out);
        c.setHandle(null);
    }
}
