package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.FileResults.Rights;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// ACCESS (RFC 8881 section 18.1), with the bits for extended attributes (RFC 8276 section 8.5).
record AccessOp(int asked) implements Operation {
    private static final int READ = 0x01;
    private static final int LOOKUP = 0x02;
    private static final int MODIFY = 0x04;
    private static final int EXTEND = 0x08;
    private static final int DELETE = 0x10;
    private static final int EXECUTE = 0x20;
    private static final int XATTR_READ = 0x40;
    private static final int XATTR_WRITE = 0x80;
    private static final int XATTR_LIST = 0x100;
    private static final int ALL_V41 = 0x3f;
    private static final int ALL_V42 = 0x1ff;

    static AccessOp decode(XdrReader in) {
        return new AccessOp(in.readInt());
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        int all = c.minorVersion() >= 2 ? ALL_V42 : ALL_V41;
        int supported;
        int granted;
        if (c.atRoot()) {
            supported = ALL_V41 & ~EXECUTE;
            granted = READ | LOOKUP;
        } else {
            Access a = c.access();
            boolean directory = await(a.files().attributes(a.file())).isDirectory();
            supported = all & ~(directory ? EXECUTE : LOOKUP | DELETE);
            granted = granted(await(a.files().access(a.who(), a.file())), directory, a.readOnly());
        }
        if ((asked & ~all) != 0) {
            throw new NfsException(NfsStatus.INVAL, "undefined bits");
        }
        out.writeInt(asked & supported).writeInt(asked & supported & granted);
    }

    private static int granted(Rights rights, boolean directory, boolean readOnly) {
        int granted = 0;
        if (rights.read()) {
            granted |= READ | XATTR_READ | XATTR_LIST;
        }
        if (rights.write() && !readOnly) {
            granted |= MODIFY | EXTEND | DELETE | XATTR_WRITE;
        }
        if (rights.execute()) {
            granted |= directory ? LOOKUP : EXECUTE;
        }
        return granted;
    }
}
