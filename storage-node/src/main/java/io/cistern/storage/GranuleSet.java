package io.cistern.storage;

import java.util.concurrent.ConcurrentSkipListMap;

/// The granules of one branch that may have rows: one bit each, in chunks of 4,096. Says without a
/// look into the map that nothing is there, which keeps first writes, holes and long chains of
/// clones cheap: 2 MiB per TiB that is mapped.
///
/// One writer at a time (the store's lock); readers need not lock. A reader that holds the
/// granule's lock sees that granule's bit exactly.
final class GranuleSet {
    private static final int CHUNK_WORDS = 64;
    private static final int CHUNK_SHIFT = 12;

    private final ConcurrentSkipListMap<Long, long[]> chunks = new ConcurrentSkipListMap<>();

    void add(long granule) {
        long[] chunk = chunks.computeIfAbsent(granule >>> CHUNK_SHIFT, k -> new long[CHUNK_WORDS]);
        chunk[word(granule)] |= 1L << granule;
    }

    void remove(long granule) {
        long[] chunk = chunks.get(granule >>> CHUNK_SHIFT);
        if (chunk != null) {
            chunk[word(granule)] &= ~(1L << granule);
        }
    }

    boolean contains(long granule) {
        long[] chunk = chunks.get(granule >>> CHUNK_SHIFT);
        return chunk != null && (chunk[word(granule)] & 1L << granule) != 0;
    }

    /// The first granule from `from` on, or [Long#MAX_VALUE].
    long next(long from) {
        for (var e : chunks.tailMap(from >>> CHUNK_SHIFT).entrySet()) {
            long base = e.getKey() << CHUNK_SHIFT;
            long[] chunk = e.getValue();
            int w = from > base ? word(from) : 0;
            for (int i = w; i < CHUNK_WORDS; i++) {
                long bits = chunk[i];
                if (i == w && from > base) {
                    bits &= -1L << from;
                }
                if (bits != 0) {
                    return base + ((long) i << 6) + Long.numberOfTrailingZeros(bits);
                }
            }
        }
        return Long.MAX_VALUE;
    }

    boolean isEmpty() {
        return next(0) == Long.MAX_VALUE;
    }

    private static int word(long granule) {
        return (int) (granule >>> 6) & (CHUNK_WORDS - 1);
    }
}
