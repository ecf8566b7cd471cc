package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksIterator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Compares which slots a disk has given out with those that the rows of its groups name: of all
/// branches and epochs, so of every volume, snapshot and clone.
///
/// The groups are looked at one after the other, each as a checkpoint of its own left it. A slot
/// that is taken or given back between the first and the last of them says nothing; the area notes
/// which those are. Of all others it is certain: who holds one, holds it at that checkpoint, since
/// a slot is taken and a row made of it under the store's lock, and what was given up is given back
/// when the checkpoint has ended. What was found is looked for a second time, with new checkpoints,
/// and put right in one step with the question whether it has changed hands meanwhile.
final class SlotBooks {
    private static final Logger LOG = LoggerFactory.getLogger(SlotBooks.class);

    /// Rows read between two rests.
    private static final int ROWS_PER_REST = 16 << 10;

    private final Disk disk;
    private final SlotArea area;
    private final LongConsumer rest;

    /// @param rest called with the nanoseconds of work done since the last call: sleeps to leave
    ///   room for users
    SlotBooks(Disk disk, SlotArea area, LongConsumer rest) {
        this.disk = disk;
        this.area = area;
        this.rest = rest;
    }

    /// What one look found.
    private record Look(
            boolean complete,
            long slots,
            BitSet leaked,
            BitSet unmarked,
            TreeMap<Long, List<Long>> shared) {}

    /// What a group names.
    private record Named(BitSet slots, List<Long> twice) {}

    BooksReport check() {
        try {
            return compared();
        } finally {
            area.unwatch();
        }
    }

    private BooksReport compared() {
        Look first = look();
        if (!first.complete || clean(first)) {
            return new BooksReport(first.complete, first.slots, 0, 0, List.of());
        }
        Look second = look();
        if (!second.complete) {
            return new BooksReport(false, second.slots, 0, 0, List.of());
        }
        first.leaked.and(second.leaked);
        first.unmarked.and(second.unmarked);
        first.shared.keySet().retainAll(second.shared.keySet());
        BitSet settled = area.settle(first.leaked, first.unmarked);
        BitSet changed = (BitSet) first.unmarked.clone();
        changed.andNot(settled);
        first.leaked.and(settled);
        first.unmarked.and(settled);
        first.leaked.stream()
                .forEach(slot -> LOG.warn("{}: slot {} belonged to nobody: freed", area, slot));
        List<BooksReport.Shared> shared = new ArrayList<>();
        first.shared.forEach((slot, groups) -> shared.add(new BooksReport.Shared(slot, groups)));
        // A slot that somebody uses and that was free to take, and was taken just now, is used
        // twice:
        // the next comparison finds that.
        return new BooksReport(
                changed.isEmpty(),
                second.slots,
                first.leaked.cardinality(),
                first.unmarked.cardinality(),
                shared);
    }

    private static boolean clean(Look look) {
        return look.leaked.isEmpty() && look.unmarked.isEmpty() && look.shared.isEmpty();
    }

    private Look look() {
        long changes = disk.contents().changes();
        area.watch();
        BitSet all = new BitSet();
        TreeMap<Long, List<Long>> shared = new TreeMap<>();
        TreeMap<Long, List<Long>> suspects = new TreeMap<>();
        TreeMap<Long, BitSet> byGroup = new TreeMap<>();
        boolean complete = disk.contents().closedSlots(all);
        for (GroupStore store : disk.contents().stores()) {
            Named named = complete ? named(store) : null;
            if (named == null) {
                complete = false;
                break;
            }
            named.twice.forEach(slot -> shared.put(slot, List.of(store.group())));
            BitSet both = (BitSet) named.slots.clone();
            both.and(all);
            both.stream()
                    .forEach(slot ->
                            suspects.put((long) slot, holders(byGroup, slot, store.group())));
            all.or(named.slots);
            byGroup.put(store.group(), named.slots);
        }
        SlotArea.Books books = area.books();
        complete &= changes == disk.contents().changes();
        suspects.forEach((slot, groups) -> {
            if (!books.touched().get(Math.toIntExact(slot))) {
                shared.put(slot, groups);
            }
        });
        BitSet leaked = (BitSet) books.used().clone();
        leaked.andNot(all);
        leaked.andNot(books.touched());
        BitSet unmarked = (BitSet) all.clone();
        unmarked.andNot(books.used());
        unmarked.andNot(books.touched());
        return new Look(complete, books.used().cardinality(), leaked, unmarked, shared);
    }

    private static List<Long> holders(TreeMap<Long, BitSet> byGroup, int slot, long group) {
        List<Long> holders = new ArrayList<>();
        byGroup.forEach((other, slots) -> {
            if (slots.get(slot)) {
                holders.add(other);
            }
        });
        holders.add(group);
        return holders;
    }

    /// Null where the group is being copied, or closed.
    private @Nullable Named named(GroupStore store) {
        BitSet slots = new BitSet();
        List<Long> twice = new ArrayList<>();
        try (MapDb.Frozen rows = store.frozenRows();
                RocksIterator it = rows.iterator()) {
            long began = System.nanoTime();
            int count = 0;
            for (it.seek(Keys.of(store.group(), Keys.ROW)); it.isValid(); it.next()) {
                byte[] key = it.key();
                if (!Keys.isRow(key, store.group())) {
                    break;
                }
                Row row = Row.decode(it.value());
                if (row.hasSlot()) {
                    int slot = Math.toIntExact(row.slot());
                    if (slots.get(slot)) {
                        twice.add(row.slot());
                    }
                    slots.set(slot);
                }
                if (++count % ROWS_PER_REST == 0) {
                    rest.accept(System.nanoTime() - began);
                    began = System.nanoTime();
                }
            }
            rows.verify(it);
            rest.accept(System.nanoTime() - began);
        } catch (CisternException e) {
            if (e.code() == ErrorCode.CORRUPT) {
                throw e;
            }
            return null;
        }
        return new Named(slots, twice);
    }
}
