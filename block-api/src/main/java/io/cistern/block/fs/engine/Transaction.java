package io.cistern.block.fs.engine;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/// The effects of one change, over the rows it started from: nothing is done before [#commit].
public final class Transaction implements Rows {
    private final Rows base;
    private final TreeMap<byte[], byte @Nullable []> changed =
            new TreeMap<>(Arrays::compareUnsigned);
    private final List<DataChange> data = new ArrayList<>();

    private sealed interface DataChange {
        record Write(long offset, int[] crcs, ByteBuffer bytes) implements DataChange {}

        record Zero(long offset, long length) implements DataChange {}
    }

    Transaction(Rows base) {
        this.base = base;
    }

    @Override
    public byte @Nullable [] get(byte[] key) {
        return changed.containsKey(key) ? changed.get(key) : base.get(key);
    }

    void put(byte[] key, byte[] value) {
        changed.put(key, value);
    }

    void delete(byte[] key) {
        changed.put(key, null);
    }

    void write(long offset, int[] crcs, ByteBuffer bytes) {
        data.add(new DataChange.Write(offset, crcs, bytes));
    }

    void zero(long offset, long length) {
        data.add(new DataChange.Zero(offset, length));
    }

    /// Forgets everything.
    void discard() {
        changed.clear();
        data.clear();
    }

    /// Hands the effects over: data first, then rows (null: deleted) in the order of their keys.
    public void commit(BlockSpace space, BiConsumer<byte[], byte @Nullable []> rows) {
        for (DataChange change : data) {
            switch (change) {
                case DataChange.Write w -> space.write(w.offset, w.crcs, w.bytes);
                case DataChange.Zero z -> space.zero(z.offset, z.length);
            }
        }
        changed.forEach(rows);
    }

    @Override
    public RowCursor scan(byte[] prefix, byte @Nullable [] after) {
        byte[] from = after == null ? prefix : after;
        NavigableMap<byte[], byte @Nullable []> mine = changed.tailMap(from, after == null);
        return new Merged(base.scan(prefix, after), List.copyOf(entries(mine, prefix)));
    }

    private static List<Change> entries(
            NavigableMap<byte[], byte @Nullable []> rows, byte[] prefix) {
        List<Change> found = new ArrayList<>();
        for (Map.Entry<byte[], byte @Nullable []> e : rows.entrySet()) {
            if (!startsWith(e.getKey(), prefix)) {
                break;
            }
            found.add(new Change(e.getKey(), e.getValue()));
        }
        return found;
    }

    static boolean startsWith(byte[] key, byte[] prefix) {
        return key.length >= prefix.length
                && Arrays.equals(key, 0, prefix.length, prefix, 0, prefix.length);
    }

    private record Change(byte[] key, byte @Nullable [] value) {}

    /// The base's rows with the changes over them.
    private static final class Merged implements RowCursor {
        private final RowCursor below;
        private final List<Change> above;
        private int at;
        private boolean belowLeft;
        private byte[] key = {};
        private byte[] value = {};

        Merged(RowCursor below, List<Change> above) {
            this.below = below;
            this.above = above;
            belowLeft = below.next();
        }

        @Override
        public boolean next() {
            while (belowLeft || at < above.size()) {
                int order =
                        !belowLeft
                                ? 1
                                : at >= above.size()
                                        ? -1
                                        : Arrays.compareUnsigned(below.key(), above.get(at).key);
                if (order < 0) {
                    key = below.key();
                    value = below.value();
                    belowLeft = below.next();
                    return true;
                }
                Change change = above.get(at++);
                if (order == 0) {
                    belowLeft = below.next();
                }
                byte[] changedTo = change.value;
                if (changedTo != null) {
                    key = change.key;
                    value = changedTo;
                    return true;
                }
            }
            return false;
        }

        @Override
        public byte[] key() {
            return key;
        }

        @Override
        public byte[] value() {
            return value;
        }

        @Override
        public void close() {
            below.close();
        }
    }
}
