package io.cistern.storage;

import java.util.Arrays;
import java.util.concurrent.ConcurrentSkipListMap;

/// Rows of shares changed since a checkpoint began, by their keys in the map. Written under the
/// store's lock, read by any thread.
final class FileLayer {
    /// A row that the map is to lose.
    static final byte[] DELETED = {};

    final ConcurrentSkipListMap<byte[], byte[]> rows =
            new ConcurrentSkipListMap<>(Arrays::compareUnsigned);

    /// Size of [#rows], whose own count is slow.
    volatile int count;

    /// About what the rows take.
    volatile long bytes;

    /// What a row takes beside its key and value.
    private static final int ROW_BYTES = 128;

    void put(byte[] key, byte[] value) {
        byte[] old = rows.put(key, value);
        long more = value.length;
        if (old == null) {
            int n = count;
            count = n + 1;
            more += ROW_BYTES + key.length;
        } else {
            more -= old.length;
        }
        long now = bytes;
        bytes = now + more;
    }
}
