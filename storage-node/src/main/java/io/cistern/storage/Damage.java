package io.cistern.storage;

import io.cistern.storage.CorruptBlocksException.Corrupt;
import io.cistern.storage.Resolved.Source;
import org.jspecify.annotations.Nullable;

/// Tells damage that matters from damage to blocks that nobody sees any more.
final class Damage {
    private final BlockMap map;
    private final Table table;

    Damage(BlockMap map, Table table) {
        this.map = map;
        this.table = table;
    }

    /// What to report of a row's damaged blocks; null if no live view shows one of them. Call with
    /// the granule's lock held.
    @Nullable Corrupt of(RowKey key, Row row, int bad) {
        Branch branch = table.branches.get(key.branch());
        int live = branch == null ? -1 : branch.liveFrom(key.epoch());
        if (branch == null || live < 0) {
            return null;
        }
        for (Source s : map.resolve(branch, live, key.granule()).sources()) {
            if (s.branch() == key.branch() && s.epoch() == key.epoch() && (s.data() & bad) != 0) {
                View via = new View(key.branch(), live);
                return new Corrupt(key, via, s.data() & bad, row.lastIndex());
            }
        }
        return null;
    }
}
