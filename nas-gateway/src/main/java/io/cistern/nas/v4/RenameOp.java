package io.cistern.nas.v4;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.FileResults.Renamed;
import io.cistern.nas.share.Access;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// RENAME (RFC 8881 section 18.26).
record RenameOp(ByteString from, ByteString to) implements Operation {
    static RenameOp decode(XdrReader in) {
        return new RenameOp(Wire4.readName(in), Wire4.readName(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access target = c.change();
        Access source = c.savedAccess(target);
        Wire4.checkName(from);
        Wire4.checkName(to);
        Call call = c.once(target);
        Reclaiming.refuse(c, target, call);
        Renamed renamed =
                c.parts().removals().rename(source, from, target, to, call, c.client().id());
        Wire4.writeChange(out, renamed.from());
        Wire4.writeChange(out, renamed.to());
    }

    @Override
    public int resultBytes() {
        return 40;
    }
}
