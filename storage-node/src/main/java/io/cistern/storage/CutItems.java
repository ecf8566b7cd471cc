package io.cistern.storage;

import io.cistern.block.Crc32c;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksIterator;

/// Items of one section of a [Cut], in order.
interface CutItems extends AutoCloseable {
    boolean next();

    /// The item's key within its section.
    byte[] key();

    byte[] value();

    @Override
    default void close() {}

    /// A place to read at: what `epoch` of a branch sees of that branch alone.
    record Level(long branch, int epoch) {}

    /// A section of one item without a key.
    static CutItems one(byte @Nullable [] after, byte[] value) {
        return new CutItems() {
            private boolean done = after != null;

            @Override
            public boolean next() {
                boolean first = !done;
                done = true;
                return first;
            }

            @Override
            public byte[] key() {
                return new byte[0];
            }

            @Override
            public byte[] value() {
                return value;
            }
        };
    }

    /// The rows of a share that are in no snapshot.
    final class Own implements CutItems {
        private final MapDb.Frozen map;
        private final RocksIterator it;
        private final byte[] prefix;
        private boolean begun;
        private byte[] key = {};

        Own(MapDb.Frozen map, long group, long volume, byte @Nullable [] after) {
            this.map = map;
            this.prefix = FileKeys.own(group, volume, new byte[0]);
            it = map.iterator();
            byte[] from = after == null ? prefix : FileKeys.own(group, volume, after);
            it.seek(from);
            if (after != null && it.isValid() && Arrays.equals(it.key(), from)) {
                it.next();
            }
        }

        @Override
        public boolean next() {
            if (begun) {
                it.next();
            }
            begun = true;
            if (!it.isValid()) {
                map.verify(it);
                return false;
            }
            key = it.key();
            return FileKeys.startsWith(key, prefix);
        }

        @Override
        public byte[] key() {
            return FileKeys.ownKey(key);
        }

        @Override
        public byte[] value() {
            return it.value();
        }

        @Override
        public void close() {
            it.close();
        }
    }

    /// The rows of a share as one of its snapshots, or the share itself, shows them.
    final class Contents implements CutItems {
        private final MapDb.Frozen map;
        private final List<Cursor> cursors = new ArrayList<>();
        private final FileChain chain = new FileChain(cursors);

        /// @param levels where to look, one after the other
        Contents(MapDb.Frozen map, long group, List<Level> levels, byte @Nullable [] after) {
            this.map = map;
            for (Level level : levels) {
                cursors.add(new Cursor(group, level, after));
            }
        }

        /// The newest rows of one branch up to an epoch.
        private final class Cursor extends FileChain.Level {
            final RocksIterator it = map.iterator();
            final byte[] prefix;
            final int epoch;

            Cursor(long group, Level level, byte @Nullable [] after) {
                epoch = level.epoch();
                prefix = FileKeys.content(group, level.branch(), new byte[0]);
                if (after == null) {
                    it.seek(prefix);
                } else {
                    it.seek(FileKeys.behind(FileKeys.content(group, level.branch(), after)));
                    skip(after);
                }
                read();
            }

            private void skip(byte[] row) {
                while (it.isValid() && inside(it.key()) && Arrays.equals(row(it.key()), row)) {
                    it.next();
                }
            }

            private boolean inside(byte[] full) {
                return FileKeys.startsWith(full, prefix);
            }

            private byte[] row(byte[] full) {
                return FileKeys.key(full);
            }

            private void read() {
                key = null;
                while (it.isValid()) {
                    byte[] full = it.key();
                    if (!inside(full)) {
                        return;
                    }
                    if (FileKeys.epoch(full) <= epoch) {
                        key = row(full);
                        stored = it.value();
                        return;
                    }
                    it.next();
                }
                map.verify(it);
            }

            @Override
            void step() {
                byte[] done = key;
                if (done != null) {
                    skip(done);
                    read();
                }
            }
        }

        @Override
        public boolean next() {
            return chain.next();
        }

        @Override
        public byte[] key() {
            return chain.key();
        }

        @Override
        public byte[] value() {
            return chain.stored();
        }

        @Override
        public void close() {
            cursors.forEach(cursor -> cursor.it.close());
        }
    }

    /// The checksums of the blocks of a volume or snapshot, granule by granule; those that read as
    /// zeroes are left out, however that is stored.
    final class Granules implements CutItems {
        private final MapDb.Frozen map;
        private final List<Cursor> cursors = new ArrayList<>();
        private final long end;
        private long granule;
        private int[] crcs = {};

        /// @param end granules from here on are not looked at
        Granules(
                MapDb.Frozen map,
                long group,
                List<Level> levels,
                byte @Nullable [] after,
                long end) {
            this.map = map;
            this.end = end;
            long from = after == null ? 0 : ByteBuffer.wrap(after).getLong() + 1;
            for (Level level : levels) {
                cursors.add(new Cursor(group, level, from));
            }
        }

        /// The rows of one branch.
        private final class Cursor {
            final RocksIterator it = map.iterator();
            final long group;
            final Level level;
            @Nullable RowKey at;

            Cursor(long group, Level level, long from) {
                this.group = group;
                this.level = level;
                it.seek(Keys.row(group, new RowKey(level.branch(), from, Integer.MAX_VALUE)));
                read();
            }

            private void read() {
                at = null;
                while (it.isValid()) {
                    byte[] key = it.key();
                    if (!Keys.isRow(key, group)) {
                        return;
                    }
                    RowKey row = Keys.row(key);
                    if (row.branch() != level.branch()) {
                        return;
                    }
                    if (row.epoch() <= level.epoch()) {
                        at = row;
                        return;
                    }
                    it.next();
                }
                map.verify(it);
            }

            void advance() {
                it.next();
                read();
            }
        }

        @Override
        public boolean next() {
            while (true) {
                long least = Long.MAX_VALUE;
                for (Cursor cursor : cursors) {
                    RowKey at = cursor.at;
                    least = at == null ? least : Math.min(least, at.granule());
                }
                if (least >= end) {
                    return false;
                }
                if (resolve(least)) {
                    granule = least;
                    return true;
                }
            }
        }

        /// True where anything in the granule is not zero.
        private boolean resolve(long wanted) {
            int[] found = new int[Slots.BLOCKS];
            Arrays.fill(found, Crc32c.ZERO_BLOCK);
            int open = Slots.ALL;
            for (Cursor cursor : cursors) {
                RowKey at = cursor.at;
                while (at != null && at.granule() == wanted) {
                    Row row = Row.decode(cursor.it.value());
                    for (int b = 0; b < Slots.BLOCKS; b++) {
                        if ((row.valid() & open & 1 << b) != 0) {
                            found[b] = row.crcs()[b];
                        }
                    }
                    open &= ~(row.valid() | row.zero());
                    cursor.advance();
                    at = cursor.at;
                }
            }
            crcs = found;
            return Arrays.stream(found).anyMatch(crc -> crc != Crc32c.ZERO_BLOCK);
        }

        @Override
        public byte[] key() {
            return ByteBuffer.allocate(8).putLong(granule).array();
        }

        @Override
        public byte[] value() {
            ByteBuffer value = ByteBuffer.allocate(4 * Slots.BLOCKS);
            value.asIntBuffer().put(crcs);
            return value.array();
        }

        @Override
        public void close() {
            cursors.forEach(cursor -> cursor.it.close());
        }
    }
}
