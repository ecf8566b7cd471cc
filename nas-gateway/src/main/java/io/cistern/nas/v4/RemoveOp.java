package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileResults.Removed;
import io.cistern.nas.share.Access;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// REMOVE, of files and of empty directories (RFC 8881 section 18.25).
record RemoveOp(ByteString name) implements Operation {
    static RemoveOp decode(XdrReader in) {
        return new RemoveOp(Wire4.readName(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.change();
        Wire4.checkName(name);
        Call call = c.once(a);
        Reclaiming.refuse(c, a, call);
        Removed removed;
        try {
            removed = c.parts().removals().remove(a, name, call, c.client().id());
        } catch (FileException e) {
            if (e.error() != FileError.IS_DIRECTORY) {
                throw e;
            }
            removed = await(a.files().rmdir(c.once(a), a.file(), name));
        }
        Wire4.writeChange(out, removed.directory());
    }

    @Override
    public int resultBytes() {
        return 20;
    }
}
