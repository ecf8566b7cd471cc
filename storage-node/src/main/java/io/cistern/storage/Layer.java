package io.cistern.storage;

import java.util.concurrent.ConcurrentSkipListMap;

/// Rows changed since a checkpoint began, [Row#DELETED] for rows that are gone. Written under the
/// store's lock, read by any thread.
final class Layer {
    final ConcurrentSkipListMap<RowKey, Row> rows = new ConcurrentSkipListMap<>();

    /// Size of [#rows], whose own count is slow.
    volatile int count;

    void put(RowKey key, Row row) {
        if (rows.put(key, row) == null) {
            int n = count;
            count = n + 1;
        }
    }
}
