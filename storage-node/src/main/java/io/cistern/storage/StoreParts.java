package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.LogPosition;
import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.function.LongPredicate;
import org.rocksdb.RocksIterator;

/// A group as the map holds it: read once when the disk is opened, every row of it, so that damage
/// shows before anything is built on it.
final class StoreParts {
    final Table table;
    final BlockMap map;
    final Header header;

    private StoreParts(Table table, BlockMap map, Header header) {
        this.table = table;
        this.map = map;
        this.header = header;
    }

    /// A group this disk has nothing of.
    static StoreParts empty(long group, BlockMap map) {
        return new StoreParts(new Table(group), map, new Header(LogPosition.START, 1, false, -1));
    }

    /// Reads everything of one group.
    ///
    /// @param claim told of each slot; false if the slot does not exist or is taken
    /// @throws CisternException CORRUPT
    static StoreParts load(long group, BlockMap map, LongPredicate claim) {
        Table table = new Table(group);
        Map<ByteBuffer, byte[]> rows = new HashMap<>();
        Header header = null;
        try (RocksIterator it = map.db().iterator(true)) {
            for (it.seek(Keys.of(group, (char) 0)); it.isValid(); it.next()) {
                byte[] key = it.key();
                if (Keys.group(key) != group) {
                    break;
                }
                if (Keys.kind(key) == Keys.HEADER) {
                    header = Header.decode(it.value());
                } else if (FileKeys.isFile(Keys.kind(key))) {
                    verify(key, it.value());
                } else if (Keys.kind(key) == Keys.ROW) {
                    row(Keys.row(key), Row.decode(it.value()), table, map, claim);
                } else {
                    rows.put(ByteBuffer.wrap(key), it.value());
                }
            }
            map.db().verify(it);
        }
        if (header == null) {
            throw corrupt(group, "has no header");
        }
        if (!header.importing()) {
            checkBranches(group, table, rows, header);
            table.load(rows);
        }
        table.nextBranch = header.nextBranch();
        return new StoreParts(table, map, header);
    }

    /// A share's row: read, so that damage to it shows; understood when it is used.
    private static void verify(byte[] key, byte[] value) {
        if (key.length <= FileKeys.HEAD || value.length == 0) {
            throw corrupt(Keys.group(key), "has a share's row without contents");
        }
    }

    /// Rows of a branch that is yet to be created are found only while the map is newer than the
    /// table.
    private static void checkBranches(
            long group, Table table, Map<ByteBuffer, byte[]> rows, Header header) {
        boolean catchingUp = header.readableFrom() > header.position().index();
        for (long id : table.branches.keySet()) {
            boolean known = rows.containsKey(ByteBuffer.wrap(Keys.of(group, Keys.BRANCH, id)));
            if (!known && !(catchingUp && id >= header.nextBranch())) {
                throw corrupt(group, "has rows of branch " + id + ", which does not exist");
            }
        }
    }

    private static void row(RowKey key, Row row, Table table, BlockMap map, LongPredicate claim) {
        Branch branch = table.branches.computeIfAbsent(key.branch(), Branch::new);
        branch.granules.add(key.granule());
        if (row.hasSlot()) {
            if (!claim.test(row.slot())) {
                throw corrupt(
                        map.group(),
                        "names slot " + row.slot() + " twice, or one that does not exist");
            }
            map.hold(branch, row.slot());
        }
    }

    /// The slots its rows hold.
    BitSet slots() {
        return map.slots();
    }

    static CisternException corrupt(long group, String what) {
        return new CisternException(
                ErrorCode.CORRUPT,
                "the map of group "
                        + group
                        + " "
                        + what
                        + ": this replica must be rebuilt from its peers");
    }
}
