package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileResults.Entry;
import io.cistern.block.fs.FileResults.Listing;
import io.cistern.block.fs.FileSystem;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.share.ShareEntry;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import org.jspecify.annotations.Nullable;

/// READDIR (RFC 8881 section 18.23). `.` and `..` are not listed; the cookies 0, 1 and 2 name no
/// entry.
record ReaddirOp(long cookie, long verifier, long nameBytes, long allBytes, int[] asked)
        implements Operation {
    private static final int MAX_REPLY_BYTES = 1 << 20;
    private static final int SMALLEST_ENTRY_BYTES = 28;
    private static final int HEAD_BYTES = 8 + 4 + 4;
    private static final long ROOT_VERIFIER = 1;

    /// Cookies of shares are their ids, behind those that name no entry.
    private static final long FIRST_SHARE_COOKIE = 3;

    static ReaddirOp decode(XdrReader in) {
        return new ReaddirOp(
                in.readLong(), in.readLong(), in.readUint(), in.readUint(), Fattr4.readMask(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        if (cookie == 1 || cookie == 2 || cookie < 0) {
            throw new NfsException(NfsStatus.BAD_COOKIE, "no entry has that cookie");
        }
        if (cookie == 0 && verifier != 0) {
            throw new NfsException(NfsStatus.BAD_COOKIE, "a verifier without a cookie");
        }
        long most = Math.min(Math.min(allBytes, MAX_REPLY_BYTES), c.room());
        Page page = new Page(out, nameBytes, most - HEAD_BYTES, asked);
        if (c.atRoot()) {
            listShares(c, out, page);
        } else {
            listDirectory(c, out, page, most);
        }
    }

    private void listDirectory(Compound c, XdrWriter out, Page page, long most) {
        Access a = c.access();
        int max = (int) Math.clamp(most / SMALLEST_ENTRY_BYTES, 1, FileSystem.MAX_LISTED);
        Listing listing =
                await(a.files().list(a.who(), a.file(), cookie, verifier, max, asked.length > 0));
        out.writeLong(listing.verifier());
        boolean all = true;
        for (Entry entry : listing.entries()) {
            Attributes attributes = entry.attributes();
            AttributeSource source =
                    attributes == null ? null : AttributeSource.of(c, a, attributes);
            if (!page.add(entry.cookie(), entry.name(), source)) {
                all = false;
                break;
            }
        }
        page.end(all && listing.end(), all);
    }

    private void listShares(Compound c, XdrWriter out, Page page) {
        if (cookie != 0 && verifier != ROOT_VERIFIER) {
            throw new NfsException(NfsStatus.V4_NOT_SAME, "not this directory's verifier");
        }
        out.writeLong(ROOT_VERIFIER);
        boolean all = true;
        for (ShareEntry share : RootDirectory.shares(c)) {
            long at = FIRST_SHARE_COOKIE + share.id();
            if (at > cookie && !add(c, page, at, share)) {
                all = false;
                break;
            }
        }
        page.end(all, all);
    }

    /// A share that another node serves now is listed with the error in place of its attributes,
    /// where the client asked for that.
    private boolean add(Compound c, Page page, long at, ShareEntry share) {
        ByteString name = ByteString.utf8(share.name());
        if (asked.length == 0) {
            return page.add(at, name, null);
        }
        AttributeSource source;
        try {
            Access a = c.parts().shares().access(share, FileId.ROOT, c.call());
            source = AttributeSource.of(c, a, await(a.files().attributes(FileId.ROOT)));
        } catch (RuntimeException e) {
            return !Fattr4.has(asked, AttributeTable.RDATTR_ERROR.number())
                    || page.addFailed(at, name, NfsStatus.of(e, 4), share.id());
        }
        return page.add(at, name, source);
    }

    /// Writes entries as long as they fit.
    private static final class Page {
        private final XdrWriter out;
        private final int[] asked;
        private long namesLeft;
        private long bytesLeft;
        private int count;

        Page(XdrWriter out, long nameBytes, long bytes, int[] asked) {
            this.out = out;
            this.asked = asked;
            this.namesLeft = nameBytes == 0 ? Long.MAX_VALUE : nameBytes;
            this.bytesLeft = bytes;
        }

        boolean add(long cookie, ByteString name, @Nullable AttributeSource source) {
            return put(
                    cookie,
                    name,
                    () -> {
                        if (source == null) {
                            out.writeInt(0).writeInt(0);
                        } else {
                            AttributeTable.write(out, asked, source);
                        }
                    });
        }

        /// A share whose attributes cannot be had (RFC 8881 section 5.8.1.12).
        boolean addFailed(long cookie, ByteString name, int status, long share) {
            boolean number = Fattr4.has(asked, AttributeTable.MOUNTED_ON_FILEID.number());
            return put(
                    cookie,
                    name,
                    () -> {
                        out.writeBitmap(
                                1 << AttributeTable.RDATTR_ERROR.number(),
                                number ? 1 << AttributeTable.MOUNTED_ON_FILEID.number() : 0);
                        int begin = out.beginOpaque();
                        out.writeInt(status);
                        if (number) {
                            out.writeLong(share);
                        }
                        out.endOpaque(begin);
                    });
        }

        private boolean put(long cookie, ByteString name, Runnable attributes) {
            XdrWriter.Mark mark = out.mark();
            int before = out.size();
            out.writeBool(true).writeLong(cookie).writeOpaque(name.toByteArray());
            int names = out.size() - before;
            attributes.run();
            int bytes = out.size() - before;
            if (bytes > bytesLeft || (names > namesLeft && count > 0)) {
                out.reset(mark);
                return false;
            }
            bytesLeft -= bytes;
            namesLeft -= names;
            count++;
            return true;
        }

        void end(boolean atEnd, boolean all) {
            if (count == 0 && !all) {
                throw new NfsException(NfsStatus.TOOSMALL, "no entry fits");
            }
            out.writeBool(false).writeBool(atEnd);
        }
    }
}
