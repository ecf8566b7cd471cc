package io.cistern.storage;

import io.cistern.storage.Branch.Point;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Takes back content rows that no live epoch of a branch distinguishes, and moves what is left of
/// a branch that only one child needs into that child. Called with the store's lock held, piece by
/// piece.
final class FileCollector {
    /// Rows looked at in one piece.
    private static final int PIECE_ROWS = 512;

    private final FileRows rows;
    private long branch = -1;
    private byte @Nullable [] cursor;

    private record Version(byte[] full, int epoch, byte[] stored) {}

    FileCollector(FileRows rows) {
        this.rows = rows;
    }

    /// Begins a branch anew.
    void start(Branch of) {
        branch = of.id;
        cursor = null;
    }

    /// Goes on with a branch until `endNanos` or its end.
    ///
    /// @return true at its end
    boolean step(Branch of, long endNanos) {
        if (branch != of.id) {
            start(of);
        }
        do {
            if (!piece(of)) {
                return true;
            }
        } while (System.nanoTime() < endNanos);
        return false;
    }

    /// False at the end.
    private boolean piece(Branch of) {
        byte[] prefix = FileKeys.content(rows.group(), of.id, new byte[0]);
        List<List<Version>> found = new ArrayList<>();
        boolean more = false;
        int count = 0;
        byte[] from = cursor;
        try (FileScan scan =
                new FileScan(rows, prefix, from == null ? prefix : from, from == null, true)) {
            while (scan.next()) {
                byte[] full = scan.key();
                boolean same =
                        !found.isEmpty() && FileKeys.sameRow(found.getLast().getFirst().full, full);
                if (!same) {
                    if (count >= PIECE_ROWS) {
                        more = true;
                        break;
                    }
                    found.add(new ArrayList<>(1));
                }
                found.getLast().add(new Version(full, FileKeys.epoch(full), scan.value()));
                count++;
            }
        }
        if (!found.isEmpty()) {
            cursor = found.getLast().getLast().full;
            rows.change(() -> found.forEach(versions -> collect(of, versions)));
        }
        return more;
    }

    /// @param versions of one row, the newest first
    private void collect(Branch of, List<Version> versions) {
        List<Version> kept = new ArrayList<>(versions.size());
        int newer = Integer.MAX_VALUE;
        for (Version v : versions) {
            int live = of.liveFrom(v.epoch);
            if (live < 0 || live >= newer) {
                rows.store(v.full, FileLayer.DELETED);
            } else {
                kept.add(v);
                newer = v.epoch;
            }
        }
        if (kept.isEmpty()) {
            return;
        }
        byte[] key = FileKeys.key(kept.getFirst().full);
        Version oldest = kept.getLast();
        Point parent = of.parent;
        if (FileKeys.isTombstone(oldest.stored)
                && (parent == null || rows.get(parent.branch(), parent.epoch(), key) == null)) {
            rows.store(oldest.full, FileLayer.DELETED);
            kept.removeLast();
        }
        Branch child = of.onlyChild();
        if (child != null && kept.size() == 1) {
            move(kept.getFirst(), key, child);
        }
    }

    /// Gives a row to the only child, where that does not hide it from all its readers.
    private void move(Version row, byte[] key, Branch child) {
        int oldest = child.liveFrom(Branch.INHERITED);
        if (oldest >= 0 && rows.own(child.id, oldest, key) == null) {
            rows.store(FileKeys.content(rows.group(), child.id, key, Branch.INHERITED), row.stored);
        }
        rows.store(row.full, FileLayer.DELETED);
    }
}
