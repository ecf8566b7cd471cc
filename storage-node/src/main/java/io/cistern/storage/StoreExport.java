package io.cistern.storage;

import io.cistern.raft.LogPosition;
import java.nio.ByteBuffer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A copy of a store being taken for another replica. While it is open the store does not merge or
/// move rows, so close it when the receiver is done or gone. Methods block on disk reads and may be
/// called from any thread, one at a time.
public interface StoreExport extends AutoCloseable {
    /// The log position the table belongs to: the receiver applies the log from behind it.
    LogPosition position();

    /// Volumes, branches, attachments and their executed writes, as of [#position]. Opaque,
    /// versioned, checksummed.
    ByteBuffer table();

    /// The rows behind `after`, in order, with data up to about `maxBytes`. Rows may be newer than
    /// the table; replaying the log over them converges, since entries are blind.
    ///
    /// @param after null to begin; then the last page's [ExportPage#last]
    /// @param changedSince rows whose last change is newer come with their contents, all others are
    ///   listed with a digest. -1: everything comes with contents (the receiver is empty).
    ///   [Long#MAX_VALUE]: everything is listed only (the receiver resumes an interrupted copy)
    /// @throws CorruptBlocksException a row's stored bytes are damaged here: repair, then ask again
    ExportPage granules(@Nullable RowKey after, long changedSince, int maxBytes);

    /// The rows of the group's shares behind `after`, as of [#position], up to about `maxBytes`.
    ///
    /// @param after null to begin; then the last page's [FilePage#last]
    /// @param contents false: only the stretch and its digest
    FilePage files(byte @Nullable [] after, int maxBytes, boolean contents);

    /// The contents of the named rows (at most 256), as asked for by [Store#importPage]. A row that
    /// is gone by now is left out.
    List<RowExport> rows(List<RowKey> keys);

    @Override
    void close();
}
