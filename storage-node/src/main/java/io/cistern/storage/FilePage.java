package io.cistern.storage;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// A stretch of the rows of a group's shares, as of a [StoreExport]'s position: every row with
/// `after < key <= last`.
///
/// @param after null: from the first row on
/// @param last null: up to the end; the last page
public record FilePage(byte @Nullable [] after, byte @Nullable [] last, List<FileRow> rows) {
    /// A row as it is stored, its group left out of account.
    public record FileRow(byte[] key, byte[] value) {}

    /// True where no page follows.
    public boolean end() {
        return last == null;
    }
}
