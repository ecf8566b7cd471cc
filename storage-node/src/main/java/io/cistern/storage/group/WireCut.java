package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.LogPosition;
import io.cistern.storage.StoreCut;
import io.cistern.storage.StoreCut.CutItem;
import io.cistern.storage.StoreCut.CutPage;
import io.netty.buffer.ByteBuf;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What the one who compares replicas asks of them.
final class WireCut {
    /// Items in a page.
    static final int PAGE_ITEMS = 4096;

    /// Most items listed in one answer.
    static final int MAX_LISTED = 2 * PAGE_ITEMS;

    private static final int MAX_KEY_BYTES = 1024;

    private WireCut() {}

    /// Begins a comparison: no checkpoint begins for some seconds.
    ///
    /// @param form see [StoreCut#FORM]
    record OpenRequest(GroupId group, int form) {
        void encode(ByteBuf out) {
            out.writeLong(group.value()).writeInt(form);
        }

        static OpenRequest decode(ByteBuf in) {
            return new OpenRequest(WireRequest.groupOf(in), in.readInt());
        }

        /// @throws CisternException INVALID where the asking node's version compares other things
        void check() {
            if (form != StoreCut.FORM) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        "this node compares replicas in form "
                                + StoreCut.FORM
                                + ", the other in form "
                                + form
                                + ": upgrade all nodes, then verify again");
            }
        }
    }

    /// @param applied where the replica is
    record Opened(long session, long applied) {
        void encode(ByteBuf out) {
            out.writeLong(session).writeLong(applied);
        }

        static Opened decode(ByteBuf in) {
            return new Opened(in.readLong(), in.readLong());
        }
    }

    /// Has the replica hold its store still behind entry `index`, which it has not reached yet; or
    /// asks whether it has done so (`index` -1), or ends the comparison (-2).
    record StepRequest(GroupId group, long session, long index) {
        static final long READY = -1;
        static final long CLOSE = -2;

        void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(session).writeLong(index);
        }

        static StepRequest decode(ByteBuf in) {
            return new StepRequest(WireRequest.groupOf(in), in.readLong(), in.readLong());
        }
    }

    /// @param estimatedBytes see [StoreCut#estimatedBytes]
    record Ready(LogPosition position, long estimatedBytes) {
        static Ready of(StoreCut cut) {
            return new Ready(cut.position(), cut.estimatedBytes());
        }

        void encode(ByteBuf out) {
            out.writeLong(position.term()).writeLong(position.index()).writeLong(estimatedBytes);
        }

        static Ready decode(ByteBuf in) {
            return new Ready(new LogPosition(in.readLong(), in.readLong()), in.readLong());
        }
    }

    /// A stretch of items, see [StoreCut#page].
    ///
    /// @param list whether to answer with items, not with a digest
    record PageRequest(
            GroupId group,
            long session,
            byte @Nullable [] after,
            byte @Nullable [] last,
            boolean list) {
        void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(session);
            putKey(out, after);
            putKey(out, last);
            out.writeBoolean(list);
        }

        static PageRequest decode(ByteBuf in) {
            return new PageRequest(
                    WireRequest.groupOf(in), in.readLong(), key(in), key(in), Wire.bool(in));
        }
    }

    /// @param items empty where a digest was asked for
    record Page(CutPage page, List<CutItem> items) {
        void encode(ByteBuf out) {
            putKey(out, page.last());
            out.writeLong(page.items()).writeLong(page.bytes()).writeLong(page.digest());
            Wire.putList(
                    out,
                    items,
                    (to, item) -> {
                        putKey(to, item.key());
                        to.writeLong(item.digest());
                    });
        }

        static Page decode(ByteBuf in) {
            byte[] last = key(in);
            CutPage page =
                    new CutPage(
                            last == null ? StoreCut.end() : last,
                            in.readLong(),
                            in.readLong(),
                            in.readLong());
            List<CutItem> items =
                    Wire.list(
                            in,
                            MAX_LISTED,
                            10,
                            from -> {
                                byte[] key = key(from);
                                return new CutItem(
                                        key == null ? new byte[0] : key, from.readLong());
                            });
            return new Page(page, items);
        }
    }

    /// Has a replica ask its leader whether it is to be copied anew, see [Recopies].
    record RecopyRequest(GroupId group, String peer, String source, String reason) {
        void encode(ByteBuf out) {
            out.writeLong(group.value());
            Wire.putText(out, peer);
            Wire.putText(out, source);
            Wire.putText(out, reason);
        }

        static RecopyRequest decode(ByteBuf in) {
            return new RecopyRequest(
                    WireRequest.groupOf(in), Wire.text(in), Wire.text(in), Wire.text(in));
        }
    }

    /// Whether a replica is to be copied anew.
    record RecopyQuestion(GroupId group, String peer) {
        void encode(ByteBuf out) {
            out.writeLong(group.value());
            Wire.putText(out, peer);
        }

        static RecopyQuestion decode(ByteBuf in) {
            return new RecopyQuestion(WireRequest.groupOf(in), Wire.text(in));
        }
    }

    /// It is.
    ///
    /// @param term in which the one who says so leads
    /// @param sources names of the nodes to copy from, and no other
    record RecopyOrder(long term, List<String> sources, String reason) {
        private static final int MAX_SOURCES = 64;

        void encode(ByteBuf out) {
            out.writeLong(term);
            Wire.putList(out, sources, Wire::putText);
            Wire.putText(out, reason);
        }

        static RecopyOrder decode(ByteBuf in) {
            return new RecopyOrder(
                    in.readLong(), Wire.list(in, MAX_SOURCES, 2, Wire::text), Wire.text(in));
        }
    }

    /// An absent key is one of length 0; present ones are never empty.
    private static void putKey(ByteBuf out, byte @Nullable [] key) {
        if (key == null) {
            out.writeShort(0);
        } else {
            out.writeShort(key.length).writeBytes(key);
        }
    }

    private static byte @Nullable [] key(ByteBuf in) {
        int length = in.readUnsignedShort();
        if (length > MAX_KEY_BYTES) {
            throw Wire.malformed("a key of " + length + " bytes");
        }
        if (length == 0) {
            return null;
        }
        byte[] key = new byte[length];
        in.readBytes(key);
        return key;
    }
}
