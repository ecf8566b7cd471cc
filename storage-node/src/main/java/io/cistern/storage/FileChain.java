package io.cistern.storage;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Content rows of a branch and of those before it, as a reader sees them: in the order of their
/// keys, of each row what the first branch of the chain that has one says; those that say that
/// there is none are left out.
final class FileChain {
    private final List<? extends Level> levels;
    private byte[] key = {};
    private byte[] stored = {};

    /// The rows of one branch, of each the newest version up to an epoch.
    abstract static class Level {
        /// Of the row it is at; null behind the last.
        byte @Nullable [] key;

        /// What is stored for that row.
        byte[] stored = {};

        /// Moves to the next row.
        abstract void step();
    }

    /// @param levels each at its first row, the reader's own branch first
    FileChain(List<? extends Level> levels) {
        this.levels = levels;
    }

    boolean next() {
        while (true) {
            Level least = null;
            byte[] leastKey = null;
            for (Level level : levels) {
                byte[] k = level.key;
                if (k != null && (leastKey == null || Arrays.compareUnsigned(k, leastKey) < 0)) {
                    least = level;
                    leastKey = k;
                }
            }
            if (least == null || leastKey == null) {
                return false;
            }
            byte[] found = least.stored;
            for (Level level : levels) {
                byte[] k = level.key;
                if (k != null && Arrays.equals(k, leastKey)) {
                    level.step();
                }
            }
            if (!FileKeys.isTombstone(found)) {
                key = leastKey;
                stored = found;
                return true;
            }
        }
    }

    byte[] key() {
        return key;
    }

    /// As in [FileKeys#stored].
    byte[] stored() {
        return stored;
    }
}
