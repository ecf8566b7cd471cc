package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileId;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.FileHandle;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.xdr.XdrWriter;

/// LOOKUPP (RFC 8881 section 18.14). Above a share's root is the root above all shares; above the
/// root of a snapshot, the directory of snapshots.
record LookuppOp() implements Operation {
    private static final ByteString UP = ByteString.utf8("..");

    @Override
    public void execute(Compound c, XdrWriter out) {
        if (c.atRoot()) {
            throw new NfsException(NfsStatus.NOENT, "nothing is above");
        }
        Access a = c.access();
        if (a.file().equals(FileId.ROOT)) {
            c.setHandle(FileHandle.PSEUDO_ROOT);
        } else {
            c.setFile(a, await(a.files().lookup(a.who(), a.file(), UP)).file().id());
        }
    }
}
