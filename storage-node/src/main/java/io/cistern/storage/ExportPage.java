package io.cistern.storage;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// A stretch of the block map: every row with `after < key <= last`.
///
/// @param after null: from the first row on
/// @param last null: up to the end of the map; the last page
/// @param appliedIndex what the sender had applied when it had read the page
public record ExportPage(
        @Nullable RowKey after, @Nullable RowKey last, List<RowExport> rows, long appliedIndex) {
    /// True where no page follows.
    public boolean end() {
        return last == null;
    }
}
