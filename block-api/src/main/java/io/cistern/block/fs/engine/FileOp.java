package io.cistern.block.fs.engine;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.CreateMode;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileType;
import io.cistern.block.fs.SetAttributes;
import org.jspecify.annotations.Nullable;

/// What a change does; see the method of the same name of [io.cistern.block.fs.FileSystem].
public sealed interface FileOp {
    /// create, mkdir, symlink and mknod.
    record Make(
            FileId directory,
            ByteString name,
            FileType type,
            CreateMode how,
            SetAttributes set,
            ByteString target,
            int major,
            int minor)
            implements FileOp {}

    record Link(FileId file, FileId directory, ByteString name) implements FileOp {}

    /// remove and rmdir.
    record Remove(FileId directory, ByteString name, boolean isDirectory) implements FileOp {}

    record Rename(FileId fromDirectory, ByteString fromName, FileId toDirectory, ByteString toName)
            implements FileOp {}

    record SetAttr(FileId file, SetAttributes set, @Nullable Long guardCtime) implements FileOp {}

    /// @param value null: removes it
    record SetXattr(
            FileId file, ByteString name, @Nullable ByteString value, @Nullable Boolean mustExist)
            implements FileOp {}

    record Write(FileId file, long offset, int length) implements FileOp {}

    record Allocate(FileId file, long offset, long length) implements FileOp {}

    record Deallocate(FileId file, long offset, long length) implements FileOp {}

    /// Only what the call brings.
    record Touch() implements FileOp {}

    record Forget(long client) implements FileOp {}

    /// Empties extents that no file has any more, and ends files that nothing holds any more.
    record Clean() implements FileOp {}

    /// Makes an empty file system, where there is none.
    record Format(long quotaBytes) implements FileOp {}

    /// Sets what an administrator decides; null leaves it as it is.
    ///
    /// @param quotaBytes 0: none
    /// @param settings for the front end, at most [#MAX_SETTINGS_BYTES]; not in snapshots
    record Configure(@Nullable Long quotaBytes, @Nullable ByteString settings) implements FileOp {}

    int MAX_SETTINGS_BYTES = 64 << 10;
}
