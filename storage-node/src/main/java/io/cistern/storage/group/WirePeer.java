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
