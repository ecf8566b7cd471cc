package io.cistern.storage.group;

import io.cistern.raft.GroupId;
import io.cistern.storage.GranuleData;
import io.cistern.storage.View;
import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;

/// What replicas of a group ask of each other, beside copies.
final class WirePeer {
    private static final int GRANULE_BLOCKS = 16;
    private static final int BLOCK_BYTES = 4096;

    private WirePeer() {}

    /// The blocks of a granule, from a replica that has applied at least `minIndex`.
    record FetchBlocks(GroupId group, View view, long granule, long minIndex) {
        void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(view.branch()).writeInt(view.epoch());
            out.writeLong(granule).writeLong(minIndex);
        }

        static FetchBlocks decode(ByteBuf in) {
            return new FetchBlocks(
                    WireRequest.groupOf(in),
                    new View(in.readLong(), in.readInt()),
                    in.readLong(),
                    in.readLong());
        }
    }

    /// Asks a member for its space, and tells it how far the leader is.
    record SpaceRequest(GroupId group, long leaderApplied) {
        void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(leaderApplied);
        }

        static SpaceRequest decode(ByteBuf in) {
            return new SpaceRequest(WireRequest.groupOf(in), in.readLong());
        }
    }

    /// Digests of `count` granules from `first` on, as `view` shows them, from a replica that has
    /// applied at least `minIndex`.
    record DigestRequest(GroupId group, View view, long first, int count, long minIndex) {
        void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(view.branch()).writeInt(view.epoch());
            out.writeLong(first).writeInt(count).writeLong(minIndex);
        }

        static DigestRequest decode(ByteBuf in) {
            DigestRequest request =
                    new DigestRequest(
                            WireRequest.groupOf(in),
                            new View(in.readLong(), in.readInt()),
                            in.readLong(),
                            in.readInt(),
                            in.readLong());
            if (request.count < 1 || request.count > Verifier.PAGE) {
                throw Wire.malformed(request.count + " digests");
            }
            return request;
        }
    }

    /// @param index of the newest entry whose effects they may show
    record Digests(long index, long[] digests) {
        static void encode(ByteBuf out, Digests digests) {
            out.writeLong(digests.index);
            out.writeInt(digests.digests.length);
            for (long digest : digests.digests) {
                out.writeLong(digest);
            }
        }

        static Digests decode(ByteBuf in) {
            long index = in.readLong();
            int count = in.readInt();
            if (count < 0 || count > Verifier.PAGE) {
                throw Wire.malformed(count + " digests");
            }
            long[] digests = new long[count];
            for (int i = 0; i < count; i++) {
                digests[i] = in.readLong();
            }
            return new Digests(index, digests);
        }
    }

    static void putGranule(ByteBuf out, GranuleData granule) {
        out.writeInt(granule.present());
        out.writeLong(granule.lastIndex()).writeLong(granule.appliedIndex());
        putBlocks(out, granule.crcs(), granule.data());
    }

    static GranuleData granule(ByteBuf in) {
        int present = in.readInt();
        if (present >>> GRANULE_BLOCKS != 0) {
            throw Wire.malformed("blocks " + Integer.toHexString(present));
        }
        long lastIndex = in.readLong();
        long appliedIndex = in.readLong();
        int count = Integer.bitCount(present);
        int[] crcs = crcs(in, count);
        return new GranuleData(present, crcs, blocks(in, count), lastIndex, appliedIndex);
    }

    static void putBlocks(ByteBuf out, int[] crcs, ByteBuffer data) {
        for (int crc : crcs) {
            out.writeInt(crc);
        }
        out.writeBytes(data.duplicate());
    }

    static int[] crcs(ByteBuf in, int count) {
        int[] crcs = new int[count];
        for (int i = 0; i < count; i++) {
            crcs[i] = in.readInt();
        }
        return crcs;
    }

    /// A copy of the next `count` blocks.
    static ByteBuffer blocks(ByteBuf in, int count) {
        int bytes = count * BLOCK_BYTES;
        if (bytes > in.readableBytes()) {
            throw new IndexOutOfBoundsException("blocks");
        }
        ByteBuffer data = ByteBuffer.allocate(bytes);
        in.readBytes(data);
        return data.flip();
    }
}
