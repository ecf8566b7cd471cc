package io.cistern.storage.group;

import io.cistern.raft.GroupId;
import io.cistern.storage.Origin;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// What a volume client asks of a group's replica on another node. Each begins with the group's id
/// (`u64`), and encodes all but the bulk data behind it.
sealed interface WireRequest {
    ByteBuffer NOTHING = ByteBuffer.allocate(0).asReadOnlyBuffer();

    GroupId group();

    void encode(ByteBuf out);

    static GroupId groupOf(ByteBuf in) {
        long id = in.readLong();
        if (id < 0) {
            throw Wire.malformed("group " + id);
        }
        return new GroupId(id);
    }

    /// Part of a write; its data follows.
    ///
    /// @param firstPiece number of the first piece in this part, see [Pieces]
    record Write(GroupId group, long volume, Origin origin, int firstPiece, long offset)
            implements WireRequest {
        static final int BYTES = 60;

        @Override
        public void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(volume);
            putOrigin(out, origin);
            out.writeInt(firstPiece).writeLong(offset);
        }

        static Write decode(ByteBuf in) {
            Write write =
                    new Write(
                            groupOf(in), in.readLong(), originOf(in), in.readInt(), in.readLong());
            if (write.firstPiece < 0 || write.firstPiece >= Pieces.MAX_PIECES) {
                throw Wire.malformed("piece " + write.firstPiece);
            }
            if (in.readableBytes() > Wire.MAX_DATA_BYTES) {
                throw Wire.malformed(in.readableBytes() + " bytes to write");
            }
            return write;
        }
    }

    record Zero(GroupId group, long volume, Origin origin, long offset, long length, boolean unmap)
            implements WireRequest {
        @Override
        public void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(volume);
            putOrigin(out, origin);
            out.writeLong(offset).writeLong(length).writeBoolean(unmap);
        }

        static Zero decode(ByteBuf in) {
            return new Zero(
                    groupOf(in),
                    in.readLong(),
                    originOf(in),
                    in.readLong(),
                    in.readLong(),
                    Wire.bool(in));
        }
    }

    /// An atomic write without its data. For COMPARE what is expected follows, then what is to be
    /// written; else only this.
    record Atomic(GroupId group, long volume, Origin origin, AtomicWrite.Kind kind, long offset)
            implements WireRequest {
        private static final AtomicWrite.Kind[] KINDS = AtomicWrite.Kind.values();

        @Override
        public void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(volume);
            putOrigin(out, origin);
            out.writeByte(kind.ordinal()).writeLong(offset);
        }

        static Atomic decode(ByteBuf in) {
            return new Atomic(
                    groupOf(in),
                    in.readLong(),
                    originOf(in),
                    Wire.constant(in, KINDS),
                    in.readLong());
        }

        /// The whole request.
        ///
        /// @param data what follows, not copied
        AtomicWrite with(ByteBuffer data) {
            int length = data.remaining();
            if (kind != AtomicWrite.Kind.COMPARE) {
                return new AtomicWrite(kind, offset, NOTHING, data);
            }
            if (length % 2 != 0) {
                throw Wire.malformed(length + " bytes to compare and write");
            }
            return new AtomicWrite(
                    kind,
                    offset,
                    data.slice(data.position(), length / 2),
                    data.slice(data.position() + length / 2, length / 2));
        }
    }

    /// A change of a share: the request, and the data of a write behind it.
    record FileChange(GroupId group, long volume, Origin origin, ByteBuffer request)
            implements WireRequest {
        @Override
        public void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(volume);
            putOrigin(out, origin);
            out.writeInt(request.remaining()).writeBytes(request.duplicate());
        }

        static FileChange decode(ByteBuf in) {
            GroupId group = groupOf(in);
            long volume = in.readLong();
            Origin origin = originOf(in);
            int length = in.readInt();
            if (length < 0 || length > in.readableBytes()) {
                throw Wire.malformed("a request of " + length + " bytes");
            }
            ByteBuffer request = ByteBuffer.allocate(length);
            in.readBytes(request);
            if (in.readableBytes() > Wire.MAX_DATA_BYTES) {
                throw Wire.malformed(in.readableBytes() + " bytes to write");
            }
            return new FileChange(group, volume, origin, request.flip());
        }
    }

    /// A query of a share.
    record FileQuery(GroupId group, ReadRequest request, ByteBuffer query) implements WireRequest {
        @Override
        public void encode(ByteBuf out) {
            out.writeLong(group.value());
            putRead(out, request);
            out.writeBytes(query.duplicate());
        }

        static FileQuery decode(ByteBuf in) {
            GroupId group = groupOf(in);
            ReadRequest request = readOf(in);
            ByteBuffer query = ByteBuffer.allocate(in.readableBytes());
            in.readBytes(query);
            return new FileQuery(group, request, query.flip());
        }
    }

    record Read(GroupId group, ReadRequest request, long offset, int length)
            implements WireRequest {
        @Override
        public void encode(ByteBuf out) {
            out.writeLong(group.value());
            putRead(out, request);
            out.writeLong(offset).writeInt(length);
        }

        static Read decode(ByteBuf in) {
            Read read = new Read(groupOf(in), readOf(in), in.readLong(), in.readInt());
            if (read.length < 0 || read.length > Wire.MAX_DATA_BYTES) {
                throw Wire.malformed(read.length + " bytes to read");
            }
            return read;
        }
    }

    record Extents(GroupId group, ReadRequest request, long offset, long length, int max)
            implements WireRequest {
        @Override
        public void encode(ByteBuf out) {
            out.writeLong(group.value());
            putRead(out, request);
            out.writeLong(offset).writeLong(length).writeInt(max);
        }

        static Extents decode(ByteBuf in) {
            return new Extents(
                    groupOf(in), readOf(in), in.readLong(), in.readLong(), bounded(in.readInt()));
        }
    }

    record Describe(GroupId group, long volume) implements WireRequest {
        @Override
        public void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(volume);
        }

        static Describe decode(ByteBuf in) {
            return new Describe(groupOf(in), in.readLong());
        }
    }

    /// A request that names nothing but the group.
    record Plain(GroupId group) implements WireRequest {
        @Override
        public void encode(ByteBuf out) {
            out.writeLong(group.value());
        }

        static Plain decode(ByteBuf in) {
            return new Plain(groupOf(in));
        }
    }

    record Diff(
            GroupId group,
            long volume,
            @Nullable String from,
            @Nullable String to,
            long offset,
            int max)
            implements WireRequest {
        @Override
        public void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(volume);
            Wire.putOptional(out, from);
            Wire.putOptional(out, to);
            out.writeLong(offset).writeInt(max);
        }

        static Diff decode(ByteBuf in) {
            return new Diff(
                    groupOf(in),
                    in.readLong(),
                    Wire.optional(in),
                    Wire.optional(in),
                    in.readLong(),
                    bounded(in.readInt()));
        }
    }

    private static void putOrigin(ByteBuf out, Origin origin) {
        out.writeLong(origin.attachment()).writeLong(origin.seq());
        out.writeLong(origin.doneBelow()).writeLong(origin.guard());
    }

    private static Origin originOf(ByteBuf in) {
        return new Origin(in.readLong(), in.readLong(), in.readLong(), in.readLong());
    }

    private static void putRead(ByteBuf out, ReadRequest request) {
        out.writeLong(request.volume())
                .writeLong(request.attachment())
                .writeLong(request.minIndex())
                .writeLong(request.guard());
        Wire.putOptional(out, request.snapshot());
    }

    private static ReadRequest readOf(ByteBuf in) {
        long volume = in.readLong();
        long attachment = in.readLong();
        long minIndex = in.readLong();
        long guard = in.readLong();
        return new ReadRequest(volume, Wire.optional(in), attachment, minIndex, guard);
    }

    private static int bounded(int max) {
        if (max < 1 || max > Wire.MAX_EXTENTS) {
            throw Wire.malformed("a limit of " + max + " ranges");
        }
        return max;
    }
}
