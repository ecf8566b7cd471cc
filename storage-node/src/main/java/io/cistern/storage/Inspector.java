package io.cistern.storage;

import io.cistern.block.BlockDevice;
import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.BlockDevice.Extent.Kind;
import io.cistern.block.Crc32c;
import io.cistern.storage.CorruptBlocksException.Corrupt;
import io.cistern.storage.Resolved.Source;
import io.cistern.storage.Store.Range;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Looks at the map and the data beside user I/O: extents, differences, scrub, repair.
final class Inspector {
    private static final int BLOCK = BlockDevice.BLOCK_BYTES;

    /// Most granules one call of [#extents] looks up, so that its time is bounded.
    private static final int EXTENT_GRANULES = 64 << 10;

    private final BlockMap map;
    private final BlockReader reader;
    private final Damage damage;

    Inspector(BlockMap map, BlockReader reader, Damage damage) {
        this.map = map;
        this.reader = reader;
        this.damage = damage;
    }

    // ---- extents

    /// Adjoining extents, equal neighbours joined.
    private static final class Extents {
        final List<Extent> list = new ArrayList<>();
        final int max;

        Extents(int max) {
            this.max = max;
        }

        /// False where there is no room for another extent.
        boolean add(long length, Kind kind) {
            int n = list.size();
            if (n > 0 && list.get(n - 1).kind() == kind) {
                list.set(n - 1, new Extent(list.get(n - 1).length() + length, kind));
                return true;
            }
            return n < max && list.add(new Extent(length, kind));
        }
    }

    List<Extent> extents(View view, long offset, long length, int max) {
        Branch branch = reader.branch(view);
        Extents extents = new Extents(Math.max(1, max));
        long end = offset + length;
        long at = offset;
        int budget = EXTENT_GRANULES;
        while (at < end && budget-- > 0) {
            long granule = at / Slots.SLOT_BYTES;
            long next = map.nextGranule(branch, granule);
            if (next != granule) {
                long to =
                        next > end / Slots.SLOT_BYTES
                                ? end
                                : Math.min(end, next * Slots.SLOT_BYTES);
                if (!extents.add(to - at, Kind.HOLE)) {
                    break;
                }
                at = to;
                continue;
            }
            Resolved resolved = reader.lookUp(branch, view, granule);
            long stop = Math.min(end, (granule + 1) * Slots.SLOT_BYTES);
            while (at < stop) {
                long to = Math.min(stop, (at / BLOCK + 1) * BLOCK);
                if (!extents.add(to - at, kind(resolved, (int) (at / BLOCK % Slots.BLOCKS)))) {
                    return extents.list;
                }
                at = to;
            }
        }
        reader.branch(view);
        return extents.list;
    }

    private static Kind kind(Resolved resolved, int block) {
        int bit = 1 << block;
        for (Source s : resolved.sources()) {
            if ((s.data() & bit) != 0) {
                return Kind.DATA;
            }
            if ((s.zeroes() & bit) != 0) {
                return s.row().hasSlot() ? Kind.ZERO : Kind.HOLE;
            }
        }
        return Kind.HOLE;
    }

    // ---- differences

    List<Range> diff(View a, View b, long offset, long length, int max) {
        Branch left = reader.branch(a);
        Branch right = reader.branch(b);
        List<Range> ranges = new ArrayList<>();
        long end = offset + length;
        try (Candidates candidates = new Candidates(left, a, right, b, offset)) {
            long granule = candidates.next();
            while (granule != Long.MAX_VALUE && granule <= (end - 1) / Slots.SLOT_BYTES) {
                int bits =
                        different(
                                reader.lookUp(left, a, granule), reader.lookUp(right, b, granule));
                for (int block = 0; block < Slots.BLOCKS; block++) {
                    long at = granule * Slots.SLOT_BYTES + (long) block * BLOCK;
                    boolean in = at + BLOCK > offset && at < end;
                    if (in && (bits & 1 << block) != 0 && !join(ranges, at, max)) {
                        return ranges;
                    }
                }
                granule = candidates.next();
            }
        }
        reader.branch(a);
        reader.branch(b);
        return ranges;
    }

    private static boolean join(List<Range> ranges, long at, int max) {
        int n = ranges.size();
        if (n > 0) {
            Range last = ranges.get(n - 1);
            if (last.offset() + last.length() == at) {
                ranges.set(n - 1, new Range(last.offset(), last.length() + BLOCK));
                return true;
            }
        }
        return n < max && ranges.add(new Range(at, BLOCK));
    }

    private static int different(Resolved a, Resolved b) {
        int bits = 0;
        for (int block = 0; block < Slots.BLOCKS; block++) {
            Source x = a.of(block);
            Source y = b.of(block);
            boolean same =
                    x == null || y == null
                            ? x == y
                            : x.branch() == y.branch() && x.epoch() == y.epoch();
            if (!same) {
                bits |= 1 << block;
            }
        }
        return bits;
    }

    /// Granules that two views may show differently, in order. Two epochs of one branch differ only
    /// where there is a row between them.
    private final class Candidates implements AutoCloseable {
        private final Branch left;
        private final Branch right;
        private final int low;
        private final int high;
        private final @Nullable RowScan scan;
        private long at;

        Candidates(Branch left, View a, Branch right, View b, long offset) {
            this.left = left;
            this.right = right;
            this.at = offset / Slots.SLOT_BYTES;
            low = Math.min(a.epoch(), b.epoch());
            high = Math.max(a.epoch(), b.epoch());
            RowKey from = new RowKey(left.id, at, Integer.MAX_VALUE);
            scan = left == right ? new RowScan(map, from, true, true) : null;
        }

        long next() {
            if (scan == null) {
                long found = Math.min(map.nextGranule(left, at), map.nextGranule(right, at));
                at = found + 1;
                return found;
            }
            while (scan.next() && scan.key().branch() == left.id) {
                RowKey key = scan.key();
                if (key.granule() >= at && key.epoch() > low && key.epoch() <= high) {
                    at = key.granule() + 1;
                    return key.granule();
                }
            }
            return Long.MAX_VALUE;
        }

        @Override
        public void close() {
            if (scan != null) {
                scan.close();
            }
        }
    }

    // ---- repair and scrub

    GranuleData readGranule(View view, long granule, long appliedIndex) {
        Branch branch = reader.branch(view);
        ByteBuffer all = ByteBuffer.allocate(Slots.SLOT_BYTES);
        ReentrantLock lock = map.lock(granule);
        lock.lock();
        try {
            Resolved resolved = reader.resolve(branch, view, granule);
            int bad = reader.fill(resolved, 0, Slots.SLOT_BYTES, all, false);
            if (bad != 0) {
                throw new CorruptBlocksException(BlockReader.corrupt(resolved, view, granule, bad));
            }
            int present = resolved.data();
            int[] crcs = new int[Integer.bitCount(present)];
            ByteBuffer data = ByteBuffer.allocate(crcs.length * BLOCK);
            long lastIndex = -1;
            int n = 0;
            for (int b = 0; b < Slots.BLOCKS; b++) {
                Source s = resolved.of(b);
                if (s != null) {
                    crcs[n++] = s.row().crcs()[b];
                    data.put(all.slice(b * BLOCK, BLOCK));
                    lastIndex = Math.max(lastIndex, s.row().lastIndex());
                }
            }
            return new GranuleData(present, crcs, data.flip(), lastIndex, appliedIndex);
        } finally {
            lock.unlock();
        }
    }

    int repair(Corrupt corrupt, GranuleData good) {
        RowKey key = corrupt.row();
        ReentrantLock lock = map.lock(key.granule());
        lock.lock();
        try {
            Row row = map.get(key);
            if (row == null || row.lastIndex() != corrupt.lastIndex()) {
                return 0;
            }
            int mended = 0;
            int n = 0;
            for (int b = 0; b < Slots.BLOCKS; b++) {
                int bit = 1 << b;
                if ((good.present() & bit) == 0) {
                    continue;
                }
                ByteBuffer block = good.data().slice(good.data().position() + n++ * BLOCK, BLOCK);
                if ((corrupt.blocks() & row.valid() & bit) != 0
                        && Crc32c.of(block) == row.crcs()[b]) {
                    map.area().write(row.slot(), b * BLOCK, block);
                    mended |= bit;
                }
            }
            return mended;
        } finally {
            lock.unlock();
        }
    }

    ScrubResult scrub(@Nullable RowKey cursor, long maxBytes) {
        List<Corrupt> found = new ArrayList<>();
        long bytes = 0;
        RowKey last = null;
        RowKey from = cursor == null ? RowKey.FIRST : cursor;
        try (RowScan scan = new RowScan(map, from, cursor == null, true)) {
            while (scan.next()) {
                if (bytes >= maxBytes) {
                    return new ScrubResult(last, bytes, found);
                }
                last = scan.key();
                Corrupt corrupt = check(last, scan.row());
                if (corrupt != null) {
                    found.add(corrupt);
                }
                bytes += (long) Integer.bitCount(scan.row().valid()) * BLOCK + 64;
            }
        }
        return new ScrubResult(null, bytes, found);
    }

    /// Without the lock first, so that user I/O does not wait for the disk behind a scrub.
    private @Nullable Corrupt check(RowKey key, Row seen) {
        int[] bad = new int[1];
        if (reader.rowData(seen, seen.valid(), bad) != null) {
            return null;
        }
        ReentrantLock lock = map.lock(key.granule());
        lock.lock();
        try {
            Row row = map.get(key);
            if (row == null || reader.rowData(row, row.valid(), bad) != null) {
                return null;
            }
            return damage.of(key, row, bad[0]);
        } finally {
            lock.unlock();
        }
    }

    /// Granules of the range for which the branch's head has no slot of its own. Call with the
    /// store's lock held.
    int slotsNeeded(Branch branch, long offset, long length) {
        int needed = 0;
        long last = (offset + length - 1) / Slots.SLOT_BYTES;
        for (long granule = offset / Slots.SLOT_BYTES; granule <= last; granule++) {
            if (!ownsSlot(branch, granule)) {
                needed++;
            }
        }
        return needed;
    }

    private boolean ownsSlot(Branch branch, long granule) {
        ReentrantLock lock = map.lock(granule);
        lock.lock();
        try {
            Resolved now = map.head(branch, granule);
            Row own = now.own(branch.id, branch.head);
            return own == null
                    ? now.adoptable(branch) && now.sources()[0].row().hasSlot()
                    : own.hasSlot();
        } finally {
            lock.unlock();
        }
    }
}
