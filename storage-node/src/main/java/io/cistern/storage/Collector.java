package io.cistern.storage;

import io.cistern.storage.BlockMap.Entry;
import io.cistern.storage.Branch.Point;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Takes back what deleted volumes and snapshots leave behind, granule by granule: rows that no
/// live epoch distinguishes become one, rows that none sees go, and a branch that only one child
/// still needs is moved into that child, so that chains of clones and rollbacks stay short.
///
/// What is to be done follows from the table ([Branch#collect]), so it goes on after a restart.
/// Called with the store's lock held.
final class Collector {
    private final BlockMap map;
    private final Table table;
    private final BlockReader reader;
    private final FileCollector files;
    private final FileRows fileRows;

    private @Nullable Branch current;
    private long cursor;
    private int requests;
    private boolean skipped;

    /// Branches with damaged blocks, tried again after the next checkpoint.
    private final Set<Long> parked = new HashSet<>();

    /// The current branch and all that descend from it, computed once per step.
    private @Nullable List<Branch> family;

    Collector(BlockMap map, Table table, BlockReader reader, FileRows files) {
        this.files = new FileCollector(files);
        this.fileRows = files;
        this.map = map;
        this.table = table;
        this.reader = reader;
    }

    void checkpointBegun() {
        parked.clear();
    }

    /// Works for about `maxNanos`. False if there is nothing left to do.
    boolean step(long maxNanos) {
        long end = System.nanoTime() + maxNanos;
        family = null;
        do {
            Branch branch = current;
            if (branch == null || table.branches.get(branch.id) != branch) {
                branch = pick();
                if (branch == null) {
                    return false;
                }
            }
            long granule = branch.granules.next(cursor);
            if (granule == Long.MAX_VALUE) {
                if (!files.step(branch, end)) {
                    return true;
                }
                finish(branch);
            } else {
                cursor = granule + 1;
                process(branch, granule);
            }
        } while (System.nanoTime() < end);
        return true;
    }

    private @Nullable Branch pick() {
        current = null;
        for (Branch branch : table.branches.values()) {
            if (branch.collect && !parked.contains(branch.id)) {
                current = branch;
                start(branch);
                break;
            }
        }
        return current;
    }

    private void start(Branch branch) {
        cursor = 0;
        requests = branch.collectRequests;
        skipped = false;
        family = null;
        files.start(branch);
    }

    private void finish(Branch branch) {
        current = null;
        Branch child = branch.onlyChild();
        if (skipped) {
            parked.add(branch.id);
        } else if (branch.dead() && isEmpty(branch)) {
            table.remove(branch);
        } else if (child != null && isEmpty(branch)) {
            splice(branch, child);
        } else if (branch.collectRequests == requests && child == null && !branch.dead()) {
            branch.collect = false;
            table.save(branch);
        }
    }

    private boolean isEmpty(Branch branch) {
        return branch.granules.isEmpty() && !fileRows.hasRows(branch.id);
    }

    /// Takes an empty branch out of the chain above its only child.
    private void splice(Branch branch, Branch child) {
        Point use = child.parent;
        if (use != null) {
            branch.children.remove(child);
            branch.dropRef(use.epoch());
        }
        table.setParent(child, branch.parent);
        table.remove(branch);
    }

    private void process(Branch branch, long granule) {
        ReentrantLock lock = map.lock(granule);
        lock.lock();
        try {
            boolean changed = collect(branch, granule);
            Branch child = branch.onlyChild();
            if (child != null && move(branch, child, granule)) {
                collect(child, granule);
                changed = true;
            }
            if (changed) {
                for (Branch member : family(branch)) {
                    map.invalidate(member, granule);
                }
            }
        } finally {
            lock.unlock();
        }
    }

    private List<Branch> family(Branch branch) {
        List<Branch> all = family;
        if (all == null) {
            all = new ArrayList<>();
            all.add(branch);
            for (int i = 0; i < all.size(); i++) {
                all.addAll(all.get(i).children);
            }
            family = all;
        }
        return all;
    }

    /// Merges and drops a branch's rows of one granule. True if anything changed.
    private boolean collect(Branch branch, long granule) {
        List<Entry> rows = map.rows(branch, granule);
        Collections.reverse(rows);
        boolean changed = false;
        int left = rows.size();
        for (int i = 0; i < rows.size(); i++) {
            Entry e = rows.get(i);
            int live = branch.liveFrom(e.key().epoch());
            Entry newer = i + 1 < rows.size() ? rows.get(i + 1) : null;
            if (live < 0) {
                drop(branch, e);
            } else if (newer != null && newer.key().epoch() <= live) {
                Row merged = merge(branch, newer.row(), branch, e.row());
                if (merged == null) {
                    skipped = true;
                    continue;
                }
                map.put(branch, newer.key(), merged);
                map.delete(e.key());
                rows.set(i + 1, new Entry(newer.key(), merged));
            } else {
                continue;
            }
            changed = true;
            left--;
            rows.set(i, new Entry(e.key(), Row.DELETED));
        }
        for (int i = 0; i < rows.size(); i++) {
            if (rows.get(i).row() != Row.DELETED) {
                if (unmask(branch, rows.get(i))) {
                    changed = true;
                    left -= map.get(rows.get(i).key()) == null ? 1 : 0;
                }
                break;
            }
        }
        if (left == 0) {
            branch.granules.remove(granule);
        }
        return changed;
    }

    private void drop(Branch branch, Entry e) {
        map.delete(e.key());
        if (e.row().hasSlot()) {
            map.free(branch, e.row().slot());
        }
    }

    /// Clears zero bits of a branch's oldest row that mask nothing in a parent.
    private boolean unmask(Branch branch, Entry oldest) {
        Row row = oldest.row();
        if (row.zero() == 0 || row.hasSlot()) {
            return false;
        }
        Point p = branch.parent;
        int below =
                p == null ? 0 : map.resolve(p.branch(), p.epoch(), oldest.key().granule()).data();
        if ((row.zero() & ~below) == 0) {
            return false;
        }
        if ((row.zero() & below) == 0) {
            map.delete(oldest.key());
        } else {
            map.put(
                    branch,
                    oldest.key(),
                    new Row(Slots.NONE, 0, row.zero() & below, Row.NO_CRCS, row.lastIndex()));
        }
        return true;
    }

    /// Gives the last row of `branch` to its only child, as what the child inherited.
    private boolean move(Branch branch, Branch child, long granule) {
        List<Entry> rows = map.rows(branch, granule);
        if (rows.isEmpty()) {
            return false;
        }
        if (rows.size() > 1) {
            skipped = true;
            return false;
        }
        Row row = rows.getFirst().row();
        RowKey key = new RowKey(child.id, granule, Branch.INHERITED);
        Row older = map.get(key);
        if (older == null) {
            map.put(child, key, row);
            if (row.hasSlot()) {
                branch.slots--;
                child.slots++;
            }
        } else {
            Row merged = merge(child, older, branch, row);
            if (merged == null) {
                skipped = true;
                return false;
            }
            map.put(child, key, merged);
        }
        map.delete(rows.getFirst().key());
        map.moved(branch, granule);
        return true;
    }

    /// The one row that shows what `upper` over `lower` shows; null if blocks to be copied are
    /// damaged. The slot that is not needed any more is freed.
    private @Nullable Row merge(Branch upperOwner, Row upper, Branch lowerOwner, Row lower) {
        int masked = upper.valid() | upper.zero();
        int data = lower.valid() & ~masked;
        int zero = upper.zero() | (lower.zero() & ~masked);
        long lastIndex = Math.max(upper.lastIndex(), lower.lastIndex());
        if (data == 0) {
            if (lower.hasSlot()) {
                map.free(lowerOwner, lower.slot());
            }
            return new Row(upper.slot(), upper.valid(), zero, upper.crcs(), lastIndex);
        }
        int[] crcs = upper.valid() == 0 ? new int[Slots.BLOCKS] : upper.crcs().clone();
        for (int b = 0; b < Slots.BLOCKS; b++) {
            if ((data & 1 << b) != 0) {
                crcs[b] = lower.crcs()[b];
            }
        }
        if (upper.valid() == 0) {
            if (upper.hasSlot()) {
                map.free(upperOwner, upper.slot());
            }
            lowerOwner.slots--;
            upperOwner.slots++;
            return new Row(lower.slot(), data, zero, crcs, lastIndex);
        }
        if (!copy(lower, upper, data)) {
            return null;
        }
        map.free(lowerOwner, lower.slot());
        return new Row(upper.slot(), upper.valid() | data, zero, crcs, lastIndex);
    }

    /// Copies blocks between slots, to where the target has none.
    private boolean copy(Row from, Row to, int bits) {
        ByteBuffer data = reader.rowData(from, bits, new int[1]);
        if (data == null) {
            return false;
        }
        BlockReader.writeBlocks(map.area(), to.slot(), bits, data);
        return true;
    }
}
