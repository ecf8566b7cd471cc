package io.cistern.block.fs;

import org.jspecify.annotations.Nullable;

/// Attributes to set; null leaves one as it is. What belongs together is set in one instant.
///
/// @param mode `07777`
/// @param size of a regular file: shortens it, or lengthens it by a hole
public record SetAttributes(
        @Nullable Integer mode,
        @Nullable Integer uid,
        @Nullable Integer gid,
        @Nullable Long size,
        @Nullable SetTime atime,
        @Nullable SetTime mtime) {

    public static final SetAttributes NONE = new SetAttributes(null, null, null, null, null, null);

    /// A time to set.
    ///
    /// @param nanos null: the leader's clock. Setting that needs only the right to write; any other
    ///   time needs ownership.
    public record SetTime(@Nullable Long nanos) {
        public static final SetTime SERVER = new SetTime(null);

        public static SetTime to(long nanos) {
            return new SetTime(nanos);
        }
    }

    public static SetAttributes ofMode(int mode) {
        return NONE.withMode(mode);
    }

    public static SetAttributes ofSize(long size) {
        return NONE.withSize(size);
    }

    public SetAttributes withMode(int value) {
        return new SetAttributes(value, uid, gid, size, atime, mtime);
    }

    public SetAttributes withOwner(@Nullable Integer newUid, @Nullable Integer newGid) {
        return new SetAttributes(mode, newUid, newGid, size, atime, mtime);
    }

    public SetAttributes withSize(long value) {
        return new SetAttributes(mode, uid, gid, value, atime, mtime);
    }

    public SetAttributes withTimes(@Nullable SetTime newAtime, @Nullable SetTime newMtime) {
        return new SetAttributes(mode, uid, gid, size, newAtime, newMtime);
    }

    public boolean isEmpty() {
        return equals(NONE);
    }
}
