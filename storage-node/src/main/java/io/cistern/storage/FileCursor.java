package io.cistern.storage;

import io.cistern.block.fs.engine.Rows.RowCursor;
import io.cistern.storage.Branch.Point;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Content rows as a reader at an epoch sees them: of each row the newest up to the epoch, on the
/// first branch of the chain that has one.
final class FileCursor implements RowCursor {
    private final List<Level> levels = new ArrayList<>(1);
    private final FileChain chain = new FileChain(levels);
    private byte[] value = {};

    FileCursor(FileRows rows, Branch branch, int epoch, byte[] prefix, byte @Nullable [] after) {
        Branch at = branch;
        int from = epoch;
        while (true) {
            levels.add(new Level(rows, at.id, from, prefix, after));
            Point next = at.parent;
            if (next == null) {
                break;
            }
            at = next.branch();
            from = next.epoch();
        }
    }

    /// One branch's rows up to an epoch.
    private static final class Level extends FileChain.Level {
        private final FileScan scan;
        private final int epoch;
        private boolean ahead;

        Level(FileRows rows, long branch, int epoch, byte[] prefix, byte @Nullable [] after) {
            this.epoch = epoch;
            byte[] all = FileKeys.content(rows.group(), branch, prefix);
            byte[] from =
                    after == null
                            ? all
                            : FileKeys.behind(FileKeys.content(rows.group(), branch, after));
            scan = new FileScan(rows, all, from, after == null, false);
            ahead = scan.next();
            step();
        }

        @Override
        void step() {
            key = null;
            while (ahead && key == null) {
                byte[] full = scan.key();
                if (FileKeys.epoch(full) <= epoch) {
                    key = FileKeys.key(full);
                    stored = scan.value();
                }
                do {
                    ahead = scan.next();
                } while (ahead && key != null && FileKeys.sameRow(scan.key(), full));
            }
        }
    }

    @Override
    public boolean next() {
        if (!chain.next()) {
            return false;
        }
        value = FileKeys.value(chain.stored());
        return true;
    }

    @Override
    public byte[] key() {
        return chain.key();
    }

    @Override
    public byte[] value() {
        return value;
    }

    @Override
    public void close() {
        levels.forEach(level -> level.scan.close());
    }
}
