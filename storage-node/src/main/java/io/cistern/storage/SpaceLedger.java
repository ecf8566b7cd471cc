package io.cistern.storage;

import io.cistern.storage.VolumeSpace.SnapshotSpace;
import io.cistern.storage.VolumeState.Snapshot;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Adds up what each volume and snapshot takes, from the rows of its branches.
///
/// A slot is unique to a snapshot (or the head) if that is the only live epoch that still sees a
/// block in it: then, and only then, deleting it frees the slot.
final class SpaceLedger {
    private final BlockMap map;
    private final Table table;

    SpaceLedger(BlockMap map, Table table) {
        this.map = map;
        this.table = table;
    }

    /// Slots only one epoch of a branch needs, by epoch.
    private record Count(Map<Integer, Long> unique, long used) {}

    List<VolumeSpace> of(List<VolumeState> volumes) {
        List<VolumeSpace> result = new ArrayList<>();
        for (VolumeState v : volumes) {
            Set<Long> branches = new LinkedHashSet<>();
            v.snapshots().forEach(s -> branches.add(s.branch()));
            branches.add(v.branch());
            Map<Long, Count> counts = new HashMap<>();
            long used = 0;
            for (long id : branches) {
                Branch branch = table.branches.get(id);
                Count count = branch == null ? new Count(Map.of(), 0) : count(branch);
                counts.put(id, count);
                used += count.used;
            }
            List<SnapshotSpace> snapshots = new ArrayList<>();
            long unique = 0;
            for (Snapshot s : v.snapshots()) {
                long slots = slots(counts, s.branch(), s.epoch());
                unique += slots;
                snapshots.add(new SnapshotSpace(s.name(), slots * Slots.SLOT_BYTES));
            }
            long head = slots(counts, v.branch(), v.epoch());
            result.add(
                    new VolumeSpace(
                            v.volume(),
                            v.sizeBytes(),
                            used * Slots.SLOT_BYTES,
                            head * Slots.SLOT_BYTES,
                            (used - unique - head) * Slots.SLOT_BYTES,
                            snapshots));
        }
        return result;
    }

    private static long slots(Map<Long, Count> counts, long branch, int epoch) {
        Count count = counts.get(branch);
        return count == null ? 0 : count.unique.getOrDefault(epoch, 0L);
    }

    private Count count(Branch branch) {
        Map<Integer, Long> unique = new HashMap<>();
        long used = 0;
        List<BlockMap.Entry> granule = new ArrayList<>();
        RowKey from = new RowKey(branch.id, 0, Integer.MAX_VALUE);
        try (RowScan scan = new RowScan(map, from, true, true)) {
            while (scan.next() && scan.key().branch() == branch.id) {
                if (!granule.isEmpty()
                        && granule.getFirst().key().granule() != scan.key().granule()) {
                    used += count(branch, granule, unique);
                    granule.clear();
                }
                granule.add(new BlockMap.Entry(scan.key(), scan.row()));
            }
        }
        used += count(branch, granule, unique);
        return new Count(unique, used);
    }

    /// One granule's rows, the newest first.
    private static long count(Branch branch, List<BlockMap.Entry> rows, Map<Integer, Long> unique) {
        long used = 0;
        for (int i = 0; i < rows.size(); i++) {
            if (rows.get(i).row().hasSlot()) {
                used++;
                int owner = owner(branch, rows, i);
                if (owner >= 0) {
                    unique.merge(owner, 1L, Long::sum);
                }
            }
        }
        return used;
    }

    /// The only live epoch that sees a block of row `i`, -1 if there are more or none.
    private static int owner(Branch branch, List<BlockMap.Entry> rows, int i) {
        int open = rows.get(i).row().valid();
        int newer = i - 1;
        int owner = -1;
        int live = branch.liveFrom(rows.get(i).key().epoch());
        while (live >= 0) {
            while (newer >= 0 && rows.get(newer).key().epoch() <= live) {
                Row mask = rows.get(newer--).row();
                open &= ~(mask.valid() | mask.zero());
            }
            if (open == 0) {
                break;
            }
            if (owner >= 0 || branch.users(live) > 1) {
                return -1;
            }
            owner = live;
            live = live == Integer.MAX_VALUE ? -1 : branch.liveFrom(live + 1);
        }
        return owner;
    }
}
