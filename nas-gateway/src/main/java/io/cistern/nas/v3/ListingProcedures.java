package io.cistern.nas.v3;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.FileResults.Entry;
import io.cistern.block.fs.FileResults.Listing;
import io.cistern.block.fs.FileSystem;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.HandleCodec;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/// READDIR and READDIRPLUS (RFC 1813 sections 3.3.16 and 3.3.17). The cookies 1 and 2 are those of
/// `.` and `..`; the file system's begin at 3.
final class ListingProcedures {
    private static final int MAX_REPLY_BYTES = 1 << 20;
    private static final int SMALLEST_ENTRY_BYTES = 24;
    private static final int HEAD_BYTES = 4 + Attr3.POST_OP_BYTES + 8 + 4 + 4;

    private ListingProcedures() {}

    static void readdir(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        long cookie = in.readLong();
        long verifier = in.readLong();
        int count = (int) Math.min(in.readUint(), MAX_REPLY_BYTES);
        list(rq, handle, new Place(cookie, verifier, count, count, false));
    }

    static void readdirplus(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        long cookie = in.readLong();
        long verifier = in.readLong();
        int nameBytes = (int) Math.min(in.readUint(), MAX_REPLY_BYTES);
        int allBytes = (int) Math.min(in.readUint(), MAX_REPLY_BYTES);
        list(rq, handle, new Place(cookie, verifier, nameBytes, allBytes, true));
    }

    private record Place(long cookie, long verifier, int nameBytes, int allBytes, boolean plus) {
        int smallestEntryBytes() {
            return SMALLEST_ENTRY_BYTES + (plus ? Attr3.POST_OP_BYTES + 8 + HandleCodec.BYTES : 0);
        }
    }

    private static void list(Request3 rq, byte[] handle, Place place) {
        rq.answer(
                () -> {
                    Access a = rq.access(handle);
                    int max = place.allBytes / place.smallestEntryBytes() + 1;
                    Listing listing =
                            await(
                                    a.files()
                                            .list(
                                                    a.who(),
                                                    a.file(),
                                                    place.cookie,
                                                    place.cookie == 0 ? 0 : place.verifier,
                                                    Math.clamp(max, 1, FileSystem.MAX_LISTED),
                                                    place.plus));
                    Page page = new Page(rq, a, place);
                    boolean end = page.fill(listing);
                    return o -> {
                        Request3.postOp(o, a, listing.directory());
                        o.writeLong(listing.verifier());
                        o.append(page.entries.take());
                        o.writeBool(false).writeBool(end);
                    };
                },
                rq.postOp(handle));
    }

    /// The entries that fit into one reply.
    private static final class Page {
        private final Request3 rq;
        private final Access access;
        private final Place place;
        private final XdrWriter entries =
                new XdrWriter(io.netty.buffer.UnpooledByteBufAllocator.DEFAULT);
        private int namesLeft;
        private int bytesLeft;
        private int count;

        Page(Request3 rq, Access access, Place place) {
            this.rq = rq;
            this.access = access;
            this.place = place;
            this.namesLeft = place.nameBytes;
            this.bytesLeft = place.allBytes - HEAD_BYTES;
        }

        /// @return whether the directory's end is in it
        boolean fill(Listing listing) {
            Attributes self = listing.directory();
            boolean all =
                    (place.cookie > 0 || add(dots("."), self.id().inode(), 1, self))
                            && (place.cookie > 1 || add(dots(".."), self.parent(), 2, null));
            if (all) {
                for (Entry entry : listing.entries()) {
                    all =
                            add(
                                    entry.name().toByteArray(),
                                    entry.file().inode(),
                                    entry.cookie(),
                                    entry.attributes());
                    if (!all) {
                        break;
                    }
                }
            }
            if (count == 0 && !all) {
                throw new NfsException(NfsStatus.TOOSMALL, "no entry fits");
            }
            return all && listing.end();
        }

        private static byte[] dots(String name) {
            return name.getBytes(StandardCharsets.US_ASCII);
        }

        private boolean add(byte[] name, long inode, long cookie, @Nullable Attributes attributes) {
            int nameBytes = 4 + 8 + 4 + ((name.length + 3) & ~3) + 8;
            int bytes = nameBytes;
            if (place.plus) {
                bytes += 8 + (attributes == null ? 0 : 84 + 4 + HandleCodec.BYTES);
            }
            if (bytes > bytesLeft || (nameBytes > namesLeft && count > 0)) {
                return false;
            }
            bytesLeft -= bytes;
            namesLeft -= nameBytes;
            count++;
            entries.writeBool(true).writeLong(inode).writeOpaque(name).writeLong(cookie);
            if (place.plus) {
                Request3.postOp(entries, access, attributes);
                entries.writeBool(attributes != null);
                if (attributes != null) {
                    entries.writeOpaque(rq.encode(access, attributes));
                }
            }
            return true;
        }
    }
}
