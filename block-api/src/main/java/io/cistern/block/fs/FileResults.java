package io.cistern.block.fs;

import java.nio.ByteBuffer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What the requests of a [FileSystem] return. Attributes "before" and "after" a change are of the
/// same instant as the change: nothing came between.
public final class FileResults {
    private FileResults() {}

    /// @param directory where it was looked up
    public record Found(Attributes file, Attributes directory) {}

    /// @param cookie names the place after this entry
    /// @param attributes null where not asked for
    public record Entry(
            ByteString name, FileId file, long cookie, @Nullable Attributes attributes) {}

    /// @param end nothing comes after the last entry
    /// @param verifier to be passed with the cookies; never 0
    /// @param directory attributes of the directory
    public record Listing(List<Entry> entries, boolean end, long verifier, Attributes directory) {}

    /// A file or directory before and after a change of it.
    public record Changed(Attributes before, Attributes after) {}

    /// @param isNew false where an existing file is the result
    public record Created(Attributes file, boolean isNew, Changed directory) {}

    public record Linked(Attributes file, Changed directory) {}

    /// @param file what had the name, afterwards; its links are 0 where that was the last one
    public record Removed(Attributes file, Changed directory) {}

    /// @param file what was renamed
    /// @param replaced what had the new name before, afterwards; null if nothing had
    /// @param from the directory it left
    /// @param to the directory it is in; the same where it stayed
    public record Renamed(
            Attributes file, @Nullable Attributes replaced, Changed from, Changed to) {}

    /// @param bytes belongs to the receiver
    /// @param end whether the file ends with these bytes (or before the offset)
    /// @param file attributes not older than the bytes
    public record Data(ByteBuffer bytes, boolean end, Attributes file) {}

    /// @param count how many bytes; all
    public record Written(int count, Changed file) {}

    public record Copied(long count, Changed file) {}

    public record Rights(boolean read, boolean write, boolean execute) {}

    /// @param totalBytes the quota, or what the pool could hold where there is none
    /// @param freeBytes what may still be written
    /// @param files how many inodes there are
    /// @param freeFiles how many more there may be
    public record Space(long totalBytes, long freeBytes, long files, long freeFiles) {}

    /// @param id the `snapshot` of its files' [FileId]s
    public record SnapshotView(ByteString name, long id, long createdNanos) {}

    public record StateEntry(ByteString key, ByteString value) {}
}
