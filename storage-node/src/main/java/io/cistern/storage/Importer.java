package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;

/// Installs another replica's rows. Every row that arrives gets a slot of its own, so that what the
/// last checkpoint refers to stays as it is until the next one is durable.
final class Importer {
    private final BlockMap map;
    private final Table table;
    private final StoreState state;
    private final ReentrantLock storeLock;

    Importer(BlockMap map, Table table, StoreState state) {
        this.map = map;
        this.table = table;
        this.state = state;
        this.storeLock = state.lock;
    }

    /// @param checkpoint makes freed slots usable
    /// @return keys of rows whose contents are needed
    List<RowKey> page(ExportPage page, Runnable checkpoint) {
        List<RowKey> wanted = new ArrayList<>();
        RowKey after = page.after();
        RowKey last = page.last();
        RowKey from = after == null ? RowKey.FIRST : after;
        checkOrder(page);
        try (RowScan own = new RowScan(map, from, after == null, true)) {
            boolean more = own.next();
            for (RowExport row : page.rows()) {
                while (more && own.key().compareTo(row.key()) < 0) {
                    drop(own.key());
                    more = own.next();
                }
                Row mine = null;
                if (more && own.key().equals(row.key())) {
                    mine = own.row();
                    more = own.next();
                }
                if (mine != null && same(mine, row)) {
                    continue;
                }
                if (row.listedOnly()) {
                    wanted.add(row.key());
                } else {
                    install(row, checkpoint);
                }
            }
            while (more && (last == null || own.key().compareTo(last) <= 0)) {
                drop(own.key());
                more = own.next();
            }
        }
        return wanted;
    }

    /// Whether a row here is the one there. The digest is made of checksums, and one block in four
    /// thousand million that are replaced has the checksum of the one before: so the last change
    /// has to be the same as well.
    private static boolean same(Row mine, RowExport row) {
        return mine.lastIndex() == row.lastIndex() && mine.digest() == row.digest();
    }

    private static void checkOrder(ExportPage page) {
        RowKey before = page.after();
        for (RowExport row : page.rows()) {
            RowKey key = row.key();
            RowKey last = page.last();
            if ((before != null && key.compareTo(before) <= 0)
                    || (last != null && key.compareTo(last) > 0)) {
                throw new CisternException(
                        ErrorCode.CORRUPT, "a page of a copied replica is out of order at " + key);
            }
            before = key;
        }
    }

    void rows(List<RowExport> rows, Runnable checkpoint) {
        for (RowExport row : rows) {
            install(row, checkpoint);
        }
    }

    private void drop(RowKey key) {
        ReentrantLock lock = map.lock(key.granule());
        storeLock.lock();
        lock.lock();
        try {
            state.checkOpen();
            Row row = map.get(key);
            Branch branch = table.branches.get(key.branch());
            map.delete(key);
            if (row != null && row.hasSlot() && branch != null) {
                map.free(branch, row.slot());
            }
        } finally {
            lock.unlock();
            storeLock.unlock();
        }
    }

    private void install(RowExport row, Runnable checkpoint) {
        RowKey key = row.key();
        int[] crcs = spread(row);
        ReentrantLock lock = map.lock(key.granule());
        boolean settled = false;
        while (true) {
            storeLock.lock();
            lock.lock();
            try {
                state.checkOpen();
                Branch branch = table.branches.computeIfAbsent(key.branch(), Branch::new);
                long slot = row.valid() == 0 ? Slots.NONE : map.tryAllocate(branch);
                if (slot != Slots.NONE || row.valid() == 0) {
                    put(branch, row, crcs, slot);
                    return;
                }
            } finally {
                lock.unlock();
                storeLock.unlock();
            }
            if (settled && map.freedSlots() == 0) {
                throw new CisternException(
                        ErrorCode.NO_SPACE, map.area() + " is too small for the copied replica");
            }
            // Slots may wait for one that is under way as well.
            checkpoint.run();
            settled = true;
        }
    }

    private void put(Branch branch, RowExport row, int[] crcs, long slot) {
        ByteBuffer data = row.data();
        if (slot != Slots.NONE && data != null) {
            BlockReader.writeBlocks(map.area(), slot, row.valid(), data);
        }
        Row old = map.get(row.key());
        if (old != null && old.hasSlot()) {
            map.free(branch, old.slot());
        }
        map.put(branch, row.key(), new Row(slot, row.valid(), row.zero(), crcs, row.lastIndex()));
    }

    /// The row's checksums by block number, after comparing them with the data.
    private static int[] spread(RowExport row) {
        int[] packed = row.crcs();
        ByteBuffer data = row.data();
        int blocks = Integer.bitCount(row.valid());
        boolean whole =
                packed != null
                        && data != null
                        && packed.length == blocks
                        && data.remaining() == blocks * io.cistern.block.BlockDevice.BLOCK_BYTES
                        && (row.valid() & row.zero()) == 0
                        && ((row.valid() | row.zero()) & ~Slots.ALL) == 0
                        && java.util.Arrays.equals(packed, io.cistern.block.Crc32c.ofBlocks(data));
        if (!whole || packed == null) {
            throw new CisternException(
                    ErrorCode.CORRUPT, "row " + row.key() + " of a copied replica is damaged");
        }
        int[] crcs = new int[Slots.BLOCKS];
        int n = 0;
        for (int b = 0; b < Slots.BLOCKS; b++) {
            if ((row.valid() & 1 << b) != 0) {
                crcs[b] = packed[n++];
            }
        }
        return crcs;
    }

    /// Replaces the table. Branches keep what is known of their rows; those the table does not know
    /// yet (their creation is behind its position in the log) wait for the replay.
    void install(TableCopy copy) {
        Set<Long> stored = table.replace(copy.rows(), copy.nextBranch(), map.db());
        for (Branch branch : List.copyOf(table.branches.values())) {
            if (branch.id < copy.nextBranch() && !stored.contains(branch.id)) {
                if (map.hasRows(branch)) {
                    throw new CisternException(
                            ErrorCode.CORRUPT,
                            "a copied replica has rows of a branch that does not exist: " + branch);
                }
                table.branches.remove(branch.id);
            }
        }
    }
}
