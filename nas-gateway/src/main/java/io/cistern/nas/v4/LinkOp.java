package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.FileResults.Linked;
import io.cistern.nas.share.Access;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// LINK (RFC 8881 section 18.9).
record LinkOp(ByteString name) implements Operation {
    static LinkOp decode(XdrReader in) {
        return new LinkOp(Wire4.readName(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access directory = c.change();
        Access file = c.savedAccess(directory);
        Wire4.checkName(name);
        Call call = c.once(directory);
        Linked linked =
                c.changing(
                        file,
                        call,
                        () ->
                                await(
                                        directory
                                                .files()
                                                .link(call, file.file(), directory.file(), name)));
        Wire4.writeChange(out, linked.directory());
    }

    @Override
    public int resultBytes() {
        return 20;
    }
}
