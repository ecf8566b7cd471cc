package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.Crc32c;
import io.cistern.block.ErrorCode;
import io.cistern.raft.LogPosition;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/// A table on its way to another replica.
///
/// ```
/// copy := "CISTTABL" version:u32 (1) term:i64 index:i64 nextBranch:i64 rows:u32
///         (keyLength:u16 key valueLength:u32 value)[rows] crc32c:u32
/// ```
///
/// Keys and values are those of the map (docs/formats/disk.md).
record TableCopy(LogPosition position, long nextBranch, Map<ByteBuffer, byte[]> rows) {
    private static final long MAGIC = 0x434953545441424CL;
    private static final int VERSION = 1;

    static ByteBuffer encode(Table table, LogPosition position) {
        TreeMap<ByteBuffer, byte[]> rows = table.rows();
        int bytes = 8 + 4 + 24 + 4 + 4;
        for (Map.Entry<ByteBuffer, byte[]> e : rows.entrySet()) {
            bytes = Math.addExact(bytes, 6 + e.getKey().capacity() + e.getValue().length);
        }
        ByteBuffer out = ByteBuffer.allocate(bytes);
        out.putLong(MAGIC).putInt(VERSION).putLong(position.term()).putLong(position.index());
        out.putLong(table.nextBranch).putInt(rows.size());
        rows.forEach((k, v) ->
                out.putShort((short) k.capacity()).put(k.array()).putInt(v.length).put(v));
        out.putInt(Crc32c.of(out.slice(0, bytes - 4)));
        return out.flip().asReadOnlyBuffer();
    }

    /// @param group whose keys the rows get
    /// @throws CisternException CORRUPT; INVALID: another version
    static TableCopy decode(ByteBuffer src, long group) {
        ByteBuffer all = src.slice();
        Bytes in = new Bytes(all.duplicate(), "table copy", ErrorCode.CORRUPT);
        in.need(8 + 4 + 24 + 4 + 4);
        int end = all.limit() - 4;
        if (in.i64() != MAGIC || all.getInt(end) != Crc32c.of(all.slice(0, end))) {
            throw in.bad("magic or checksum");
        }
        int version = in.i32();
        if (version != VERSION) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "table copy of version " + version + ": this program reads " + VERSION);
        }
        LogPosition position = new LogPosition(in.i64(), in.i64());
        long nextBranch = in.i64();
        int count = in.i32();
        Map<ByteBuffer, byte[]> rows = new HashMap<>();
        for (int i = 0; i < count; i++) {
            byte[] key = in.array(in.u16());
            if (key.length < 17) {
                throw in.bad("key of " + key.length);
            }
            byte[] value = in.array(in.i32());
            rows.put(ByteBuffer.wrap(Keys.inGroup(group, key)), value);
        }
        in.i32();
        in.end();
        return new TableCopy(position, nextBranch, rows);
    }
}
