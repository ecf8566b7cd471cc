package io.cistern.storage;

import io.cistern.block.fs.engine.RowKeys;
import java.util.Arrays;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListSet;
import org.jspecify.annotations.Nullable;

/// Where the first rows of those lists are whose rows are taken away from the first on (see
/// [RowKeys#queue]), as the head of a branch shows them. Memory only.
///
/// A row that was deleted leaves a mark until RocksDB merges its files, and whoever looks for the
/// first row of such a list would walk over the marks of all that were taken before it.
///
/// Changed under the store's lock; read by any thread, within [FileRows#still] where it matters.
final class RowFronts {
    /// Rows of one list that are remembered.
    static final int MAX_KNOWN = 1_024;

    private final ConcurrentHashMap<Integer, Front> fronts = new ConcurrentHashMap<>();

    /// The front of one list.
    static final class Front {
        /// Exactly the rows up to [#upTo], or all there are where that is [#ALL].
        private final ConcurrentSkipListSet<byte[]> known =
                new ConcurrentSkipListSet<>(Arrays::compareUnsigned);

        private static final byte[] ALL = {};

        private int size;

        /// Null: nothing is known.
        private volatile byte @Nullable [] upTo;

        private static boolean covers(byte @Nullable [] end, byte[] key) {
            return end == ALL || (end != null && Arrays.compareUnsigned(key, end) <= 0);
        }

        private void put(byte[] key) {
            if (covers(upTo, key) && known.add(key)) {
                size++;
                trim();
            }
        }

        private void delete(byte[] key) {
            if (known.remove(key)) {
                size--;
            }
        }

        private void trim() {
            while (size > MAX_KNOWN) {
                byte[] last = known.last();
                // First: who reads in between finds the row below, in the store.
                upTo = known.lower(last);
                known.remove(last);
                size--;
            }
        }

        /// What follows `end` in the store was found: there is nothing before it.
        ///
        /// @param key null: nothing at all
        void found(byte @Nullable [] end, byte @Nullable [] key) {
            if (upTo != end) {
                return;
            }
            if (key == null) {
                upTo = ALL;
            } else {
                if (known.add(key)) {
                    size++;
                }
                upTo = key;
                trim();
            }
        }

        /// How far the rows are known; see [#next].
        byte @Nullable [] end() {
            return upTo;
        }

        static boolean isAll(byte @Nullable [] end) {
            return end == ALL;
        }

        /// The first row behind `after` (null: of all) up to `end`; null: none.
        byte @Nullable [] next(byte @Nullable [] after, byte @Nullable [] end) {
            byte[] next = after == null ? first() : known.higher(after);
            return next != null && covers(end, next) ? next : null;
        }

        private byte @Nullable [] first() {
            var rows = known.iterator();
            return rows.hasNext() ? rows.next() : null;
        }
    }

    /// @param queue as [RowKeys#queue]
    Front of(int queue) {
        return fronts.computeIfAbsent(queue, id -> new Front());
    }

    private @Nullable Front known(byte[] key) {
        int queue = RowKeys.queue(key);
        return queue < 0 ? null : fronts.get(queue);
    }

    /// A row is there now.
    void put(byte[] key) {
        Front front = known(key);
        if (front != null) {
            front.put(key);
        }
    }

    /// A row is not there any more.
    void delete(byte[] key) {
        Front front = known(key);
        if (front != null) {
            front.delete(key);
        }
    }

    void clear() {
        fronts.clear();
    }
}
