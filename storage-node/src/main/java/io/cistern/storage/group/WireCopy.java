package io.cistern.storage.group;

import io.cistern.block.Crc32c;
import io.cistern.raft.GroupId;
import io.cistern.raft.LogPosition;
import io.cistern.storage.ExportPage;
import io.cistern.storage.FilePage;
import io.cistern.storage.FilePage.FileRow;
import io.cistern.storage.RowExport;
import io.cistern.storage.RowKey;
import io.cistern.storage.Slots;
import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a replica that is being copied to asks of the one it is copied from, and the answers.
final class WireCopy {
    /// Most bytes of rows in a page.
    static final int PAGE_BYTES = 1 << 20;

    /// Most rows asked for by name at a time: 2 MiB of data.
    static final int MAX_ROWS = 32;

    /// Longest part of the table in one answer.
    static final int TABLE_BYTES = 1 << 20;

    /// Most rows of a page: listed ones are small.
    static final int MAX_PAGE_ROWS = 1 << 17;

    private static final int KEY_BYTES = 20;
    private static final int ROW_BYTES = KEY_BYTES + 4 + 8 + 8 + 1;

    private WireCopy() {}

    /// @param session names the copy from here on
    /// @param tableBytes length of the table
    /// @param usedBytes about how much there is to copy
    record Opened(long session, LogPosition position, long tableBytes, long usedBytes) {
        void encode(ByteBuf out) {
            out.writeLong(session).writeLong(position.term()).writeLong(position.index());
            out.writeLong(tableBytes).writeLong(usedBytes);
        }

        static Opened decode(ByteBuf in) {
            return new Opened(
                    in.readLong(),
                    new LogPosition(in.readLong(), in.readLong()),
                    in.readLong(),
                    in.readLong());
        }
    }

    /// Part of the table from `offset` on.
    record TableRequest(GroupId group, long session, long offset) {
        void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(session).writeLong(offset);
        }

        static TableRequest decode(ByteBuf in) {
            return new TableRequest(WireRequest.groupOf(in), in.readLong(), in.readLong());
        }
    }

    /// The rows behind `after`.
    record PageRequest(GroupId group, long session, @Nullable RowKey after, long changedSince) {
        void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(session);
            putOptionalKey(out, after);
            out.writeLong(changedSince);
        }

        static PageRequest decode(ByteBuf in) {
            return new PageRequest(
                    WireRequest.groupOf(in), in.readLong(), optionalKey(in), in.readLong());
        }
    }

    /// The contents of rows by name.
    record RowsRequest(GroupId group, long session, List<RowKey> keys) {
        void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(session);
            Wire.putList(out, keys, WireCopy::putKey);
        }

        static RowsRequest decode(ByteBuf in) {
            return new RowsRequest(
                    WireRequest.groupOf(in),
                    in.readLong(),
                    Wire.list(in, MAX_ROWS, KEY_BYTES, WireCopy::key));
        }
    }

    /// The rows of shares behind `after`, or only their digest.
    record FilesRequest(GroupId group, long session, byte @Nullable [] after, boolean contents) {
        void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(session);
            putOptionalBytes(out, after);
            out.writeBoolean(contents);
        }

        static FilesRequest decode(ByteBuf in) {
            return new FilesRequest(
                    WireRequest.groupOf(in), in.readLong(), optionalBytes(in), Wire.bool(in));
        }
    }

    static void putFiles(ByteBuf out, FilePage page) {
        putOptionalBytes(out, page.after());
        putOptionalBytes(out, page.last());
        List<FileRow> rows = page.rows();
        out.writeLong(page.digest()).writeBoolean(rows != null);
        Wire.putList(
                out,
                rows == null ? List.<FileRow>of() : rows,
                (to, row) -> {
                    to.writeInt(row.key().length).writeBytes(row.key());
                    to.writeInt(row.value().length).writeBytes(row.value());
                });
    }

    static FilePage files(ByteBuf in) {
        byte[] after = optionalBytes(in);
        byte[] last = optionalBytes(in);
        long digest = in.readLong();
        boolean contents = Wire.bool(in);
        List<FileRow> rows =
                Wire.list(in, MAX_PAGE_ROWS, 8, from -> new FileRow(bytes(from), bytes(from)));
        return new FilePage(after, last, digest, contents ? rows : null);
    }

    private static void putOptionalBytes(ByteBuf out, byte @Nullable [] bytes) {
        out.writeBoolean(bytes != null);
        if (bytes != null) {
            out.writeInt(bytes.length).writeBytes(bytes);
        }
    }

    private static byte @Nullable [] optionalBytes(ByteBuf in) {
        return Wire.bool(in) ? bytes(in) : null;
    }

    private static byte[] bytes(ByteBuf in) {
        int length = in.readInt();
        if (length < 0 || length > in.readableBytes()) {
            throw Wire.malformed("a row of " + length + " bytes");
        }
        byte[] bytes = new byte[length];
        in.readBytes(bytes);
        return bytes;
    }

    /// The copy is over or given up.
    record CloseRequest(GroupId group, long session) {
        void encode(ByteBuf out) {
            out.writeLong(group.value()).writeLong(session);
        }

        static CloseRequest decode(ByteBuf in) {
            return new CloseRequest(WireRequest.groupOf(in), in.readLong());
        }
    }

    static void putPage(ByteBuf out, ExportPage page) {
        putOptionalKey(out, page.after());
        putOptionalKey(out, page.last());
        out.writeLong(page.appliedIndex());
        putRows(out, page.rows());
    }

    static ExportPage page(ByteBuf in) {
        RowKey after = optionalKey(in);
        RowKey last = optionalKey(in);
        long applied = in.readLong();
        return new ExportPage(after, last, rows(in), applied);
    }

    static void putRows(ByteBuf out, List<RowExport> rows) {
        Wire.putList(out, rows, WireCopy::putRow);
    }

    static List<RowExport> rows(ByteBuf in) {
        return Wire.list(in, MAX_PAGE_ROWS, ROW_BYTES, WireCopy::row);
    }

    private static void putRow(ByteBuf out, RowExport row) {
        putKey(out, row.key());
        out.writeShort(row.valid()).writeShort(row.zero());
        out.writeLong(row.lastIndex()).writeLong(row.digest());
        int[] crcs = row.crcs();
        ByteBuffer data = row.data();
        if (crcs == null || data == null) {
            out.writeBoolean(false);
        } else {
            out.writeBoolean(true);
            WirePeer.putBlocks(out, crcs, data);
        }
    }

    private static RowExport row(ByteBuf in) {
        RowKey key = key(in);
        int valid = in.readUnsignedShort();
        int zero = in.readUnsignedShort();
        long lastIndex = in.readLong();
        long digest = in.readLong();
        if (!Wire.bool(in)) {
            return new RowExport(key, valid, zero, lastIndex, digest, null, null);
        }
        int blocks = Integer.bitCount(valid);
        int[] crcs = WirePeer.crcs(in, blocks);
        ByteBuffer data = WirePeer.blocks(in, blocks);
        if (!Arrays.equals(crcs, Crc32c.ofBlocks(data))) {
            throw Wire.malformed("blocks of granule " + key.granule() + " do not match their sums");
        }
        return new RowExport(key, valid, zero, lastIndex, digest, crcs, data);
    }

    private static void putKey(ByteBuf out, RowKey key) {
        out.writeLong(key.branch()).writeLong(key.granule()).writeInt(key.epoch());
    }

    private static RowKey key(ByteBuf in) {
        return new RowKey(in.readLong(), in.readLong(), in.readInt());
    }

    private static void putOptionalKey(ByteBuf out, @Nullable RowKey key) {
        out.writeBoolean(key != null);
        if (key != null) {
            putKey(out, key);
        }
    }

    private static @Nullable RowKey optionalKey(ByteBuf in) {
        return Wire.bool(in) ? key(in) : null;
    }

    /// Bytes of block data that a row carries.
    static long dataBytes(RowExport row) {
        ByteBuffer data = row.data();
        return data == null ? 0 : data.remaining();
    }

    /// Bytes of block data that a row stands for, carried or not.
    static long heldBytes(RowExport row) {
        return (long) Integer.bitCount(row.valid()) * (Slots.SLOT_BYTES / Slots.BLOCKS);
    }
}
