package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.FileResults.Changed;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// SETXATTR (RFC 8276 section 8.4.2).
record SetxattrOp(int option, ByteString name, ByteString value) implements Operation {
    private static final int CREATE = 1;
    private static final int REPLACE = 2;
    private static final int MAX_WIRE_BYTES = 1 << 20;

    static SetxattrOp decode(XdrReader in) {
        int option = in.readEnum(REPLACE, "setxattr_option4");
        ByteString name = Xattrs.readName(in);
        return new SetxattrOp(option, name, ByteString.of(in.readOpaque(MAX_WIRE_BYTES, "value")));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.access(NfsStatus.NOTSUPP).forChange();
        Xattrs.check(name);
        Boolean mustExist = option == CREATE ? Boolean.FALSE : option == REPLACE ? true : null;
        Call call = c.once(a);
        Changed changed =
                c.changing(
                        a,
                        call,
                        () -> await(a.files().setXattr(call, a.file(), name, value, mustExist)));
        Wire4.writeChange(out, changed);
    }

    @Override
    public int resultBytes() {
        return 20;
    }
}
