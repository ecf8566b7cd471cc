package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.LogPosition;
import io.cistern.storage.Branch.Point;
import io.cistern.storage.CutItems.Level;
import io.cistern.storage.VolumeState.Snapshot;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksIterator;

/// A [StoreCut] of what a checkpoint wrote. Its table is read from there, too: the store's own goes
/// on.
///
/// ```
/// key := 'A'                                            the group: next branch
///      | 'B' volume:i64                                 record, snapshots, attachments, writes
///      | 'C' volume:i64 row                             rows of a share that are in no snapshot
///      | 'D' volume:i64 branch:i64 epoch:u32 row        rows of a share
///      | 'E' volume:i64 branch:i64 epoch:u32 granule:i64
/// ```
final class Cut implements StoreCut {
    private static final char GROUP = 'A';
    private static final char RECORD = 'B';
    private static final char OWN = 'C';
    private static final char CONTENT = 'D';
    private static final char GRANULE = 'E';

    /// Most bytes of items in a page whose end is not given.
    private static final long PAGE_BYTES = 1L << 20;

    /// A stretch with more items than this many times what was asked for is not gone through: the
    /// one who chose its end has fewer.
    private static final int TOO_MANY = 4;

    private final MapDb.Frozen map;
    private final long group;
    private final LogPosition position;
    private final Table table;
    private final TreeMap<byte[], Section> sections = new TreeMap<>(Arrays::compareUnsigned);
    private long estimatedBytes;
    private boolean closed;

    private interface Opener {
        /// @param after key within the section
        CutItems open(byte @Nullable [] after);
    }

    private record Section(byte[] prefix, Opener items) {}

    /// @param map as the checkpoint of `position` left it
    /// @throws CisternException CORRUPT
    Cut(MapDb.Frozen map, long group, LogPosition position) {
        this.map = map;
        this.group = group;
        this.position = position;
        this.table = new Table(group);
        Map<ByteBuffer, byte[]> rows = new HashMap<>();
        try (RocksIterator it = map.iterator()) {
            Table.forEach(
                    it,
                    group,
                    (key, value) -> {
                        if (Keys.kind(key) == Keys.HEADER) {
                            table.nextBranch = Header.decode(value).nextBranch();
                        } else {
                            rows.put(ByteBuffer.wrap(key), value);
                        }
                    });
            map.verify(it);
        }
        table.load(rows);
        add(new byte[] {GROUP}, after -> CutItems.one(after, longs(table.nextBranch)));
        table.volumes.values().forEach(this::add);
        for (Volume volume : table.volumes.values()) {
            addBytes(volume);
        }
    }

    // ---- sections

    private void add(byte[] prefix, Opener items) {
        sections.put(prefix, new Section(prefix, items));
    }

    private static ByteBuffer start(char kind, int bytes) {
        return ByteBuffer.allocate(1 + bytes).put((byte) kind);
    }

    private void add(Volume volume) {
        long id = volume.id;
        byte[] record = start(RECORD, 8).putLong(id).array();
        add(record, after -> CutItems.one(after, record(volume)));
        byte[] own = start(OWN, 8).putLong(id).array();
        add(own, after -> new CutItems.Own(map, group, id, after));
        addView(volume, new View(volume.branch.id, volume.epoch), volume.sizeBytes);
        for (Snapshot s : volume.snapshots) {
            addView(volume, new View(s.branch(), s.epoch()), s.sizeBytes());
        }
    }

    private void addView(Volume volume, View view, long sizeBytes) {
        List<Level> levels = levels(view);
        byte[] contents = view(CONTENT, volume.id, view);
        add(contents, after -> new CutItems.Contents(map, group, levels, after));
        long granules = (sizeBytes + Slots.SLOT_BYTES - 1) / Slots.SLOT_BYTES;
        add(
                view(GRANULE, volume.id, view),
                after ->
                        new CutItems.Granules(
                                map,
                                group,
                                levels,
                                after,
                                isShare(levels) ? Long.MAX_VALUE : granules));
    }

    private static byte[] view(char kind, long volume, View view) {
        return start(kind, 20).putLong(volume).putLong(view.branch()).putInt(view.epoch()).array();
    }

    /// A share's data is where its rows say, whatever the size of the volume.
    private boolean isShare(List<Level> levels) {
        try (CutItems rows = new CutItems.Contents(map, group, levels, null)) {
            return rows.next();
        }
    }

    private List<Level> levels(View view) {
        List<Level> levels = new ArrayList<>();
        Branch branch = table.branch(view.branch());
        int epoch = view.epoch();
        while (true) {
            levels.add(new Level(branch.id, epoch));
            Point next = branch.parent;
            if (next == null) {
                return levels;
            }
            branch = next.branch();
            epoch = next.epoch();
        }
    }

    private void addBytes(Volume volume) {
        estimatedBytes += map.approximateBytes(FileKeys.own(group, volume.id, new byte[0]));
        List<View> views = new ArrayList<>();
        views.add(new View(volume.branch.id, volume.epoch));
        volume.snapshots.forEach(s -> views.add(new View(s.branch(), s.epoch())));
        Map<Long, Long> known = new HashMap<>();
        for (View view : views) {
            for (Level level : levels(view)) {
                estimatedBytes +=
                        known.computeIfAbsent(
                                level.branch(),
                                id ->
                                        map.approximateBytes(Keys.of(group, Keys.ROW, id))
                                                + map.approximateBytes(
                                                        Keys.of(group, FileKeys.CONTENT, id)));
            }
        }
    }

    private static byte[] longs(long... values) {
        ByteBuffer out = ByteBuffer.allocate(8 * values.length);
        out.asLongBuffer().put(values);
        return out.array();
    }

    /// What the log says of a volume. Messages of refused writes are left out: they are for people,
    /// and another version may word them in another way.
    private static byte[] record(Volume volume) {
        java.io.ByteArrayOutputStream out = new java.io.ByteArrayOutputStream();
        out.writeBytes(volume.encode());
        for (Snapshot s : volume.snapshots) {
            out.writeBytes(longs(s.branch(), s.epoch(), s.sizeBytes(), s.createdMillis()));
            out.writeBytes(s.name().getBytes(StandardCharsets.UTF_8));
        }
        for (Volume.Holder holder : volume.holders) {
            out.writeBytes(longs(holder.attachment.id()));
            holder.window.addTo(out);
        }
        return out.toByteArray();
    }

    // ---- reading

    /// Goes through the items of one section after the other.
    private final class Scan implements AutoCloseable {
        private @Nullable Section section;
        private @Nullable CutItems items;
        private byte[] key = {};

        Scan(byte @Nullable [] after) {
            Map.Entry<byte[], Section> at =
                    after == null ? sections.firstEntry() : sections.floorEntry(after);
            if (at != null && after != null && !FileKeys.startsWith(after, at.getKey())) {
                at = sections.higherEntry(after);
                open(at == null ? null : at.getValue(), null);
            } else if (at == null) {
                Map.Entry<byte[], Section> first = sections.firstEntry();
                open(first == null ? null : first.getValue(), null);
            } else {
                open(
                        at.getValue(),
                        after == null
                                ? null
                                : Arrays.copyOfRange(after, at.getKey().length, after.length));
            }
        }

        private void open(@Nullable Section next, byte @Nullable [] after) {
            close();
            section = next;
            items = next == null ? null : next.items.open(after);
        }

        boolean next() {
            while (true) {
                Section at = section;
                CutItems in = items;
                if (at == null || in == null) {
                    return false;
                }
                if (in.next()) {
                    byte[] rest = in.key();
                    key = Arrays.copyOf(at.prefix, at.prefix.length + rest.length);
                    System.arraycopy(rest, 0, key, at.prefix.length, rest.length);
                    return true;
                }
                Map.Entry<byte[], Section> behind = sections.higherEntry(at.prefix);
                open(behind == null ? null : behind.getValue(), null);
            }
        }

        byte[] value() {
            return items == null ? new byte[0] : items.value();
        }

        @Override
        public void close() {
            if (items != null) {
                items.close();
                items = null;
            }
        }
    }

    @Override
    public LogPosition position() {
        return position;
    }

    @Override
    public long estimatedBytes() {
        return estimatedBytes;
    }

    @Override
    public synchronized CutPage page(byte @Nullable [] after, byte @Nullable [] last, int most) {
        checkOpen();
        MessageDigest sum = digest();
        long count = 0;
        long bytes = 0;
        byte[] end = last;
        byte[] reached = after;
        try (Scan scan = new Scan(after)) {
            while (scan.next()) {
                if (last == null
                        ? reached != null && (count >= most || bytes >= PAGE_BYTES)
                        : Arrays.compareUnsigned(scan.key, last) > 0) {
                    end = end == null ? reached : end;
                    break;
                }
                if (last != null && count > (long) most * TOO_MANY) {
                    sum.update((byte) 1);
                    break;
                }
                byte[] value = scan.value();
                add(sum, scan.key, value);
                count++;
                bytes += scan.key.length + value.length + 16;
                reached = scan.key;
            }
        }
        return new CutPage(
                end == null ? StoreCut.end() : end,
                count,
                bytes,
                ByteBuffer.wrap(sum.digest()).getLong());
    }

    @Override
    public synchronized List<CutItem> items(byte @Nullable [] after, byte[] last, int most) {
        checkOpen();
        List<CutItem> found = new ArrayList<>();
        try (Scan scan = new Scan(after)) {
            while (found.size() < most
                    && scan.next()
                    && Arrays.compareUnsigned(scan.key, last) <= 0) {
                MessageDigest sum = digest();
                add(sum, scan.key, scan.value());
                found.add(new CutItem(scan.key, ByteBuffer.wrap(sum.digest()).getLong()));
            }
        }
        return found;
    }

    private static void add(MessageDigest sum, byte[] key, byte[] value) {
        sum.update(ByteBuffer.allocate(8).putInt(key.length).putInt(value.length).array());
        sum.update(key);
        sum.update(value);
    }

    private static MessageDigest digest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    private void checkOpen() {
        if (closed) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "the comparison has ended here; begin again");
        }
    }

    // ---- words

    @Override
    public Subject subject(byte[] key) {
        Bytes in = new Bytes(ByteBuffer.wrap(key), "key of a compared item", ErrorCode.INVALID);
        char kind = (char) in.u8();
        if (kind == GROUP) {
            return new Subject(0, "", "the number of the next branch");
        }
        long volume = in.i64();
        switch (kind) {
            case RECORD -> {
                return new Subject(
                        volume, "", "its record, snapshots, attachments or executed writes");
            }
            case OWN -> {
                return new Subject(volume, "", RowText.of(in.array(in.remaining())));
            }
            case CONTENT, GRANULE -> {
                View view = new View(in.i64(), in.i32());
                return new Subject(
                        volume,
                        snapshot(volume, view),
                        kind == CONTENT
                                ? RowText.of(in.array(in.remaining()))
                                : "64 KiB at " + in.i64() * Slots.SLOT_BYTES);
            }
            default -> throw in.bad("kind " + kind);
        }
    }

    private String snapshot(long volume, View view) {
        Volume found = table.volumes.get(volume);
        if (found != null) {
            for (Snapshot s : found.snapshots) {
                if (s.branch() == view.branch() && s.epoch() == view.epoch()) {
                    return s.name();
                }
            }
        }
        return "";
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            map.close();
        }
    }
}
