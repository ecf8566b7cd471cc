package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileSystem;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import java.util.List;

/// LISTXATTRS (RFC 8276 section 8.4.3). A cookie is how many names came before.
record ListxattrsOp(long cookie, long maxBytes) implements Operation {
    private static final int HEAD_BYTES = 8 + 4 + 4;

    static ListxattrsOp decode(XdrReader in) {
        return new ListxattrsOp(in.readLong(), in.readUint());
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.access(NfsStatus.NOTSUPP);
        List<ByteString> names =
                await(a.files().xattrs(a.who(), a.file(), ByteString.EMPTY, FileSystem.MAX_XATTRS));
        if (cookie < 0 || cookie > names.size()) {
            throw new NfsException(NfsStatus.BAD_COOKIE, "no name has that cookie");
        }
        long left = Math.min(maxBytes, c.room()) - HEAD_BYTES;
        int next = (int) cookie;
        int end = next;
        while (end < names.size() && left >= 4 + (names.get(end).length() + 3 & ~3)) {
            left -= 4 + (names.get(end).length() + 3 & ~3);
            end++;
        }
        if (end == next && end < names.size()) {
            throw new NfsException(NfsStatus.TOOSMALL, "no name fits");
        }
        out.writeLong(end).writeInt(end - next);
        for (ByteString name : names.subList(next, end)) {
            out.writeOpaque(name.toByteArray());
        }
        out.writeBool(end == names.size());
    }
}
