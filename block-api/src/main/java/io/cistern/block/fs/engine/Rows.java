package io.cistern.block.fs.engine;

import org.jspecify.annotations.Nullable;

/// The rows of a share as one reader sees them, ordered by their keys as unsigned bytes. Keys and
/// values are not to be changed by whoever gets them. Which rows there are: [RowKeys].
public interface Rows {
    byte @Nullable [] get(byte[] key);

    /// Rows whose keys begin with `prefix`, in order, from the first behind `after` on.
    ///
    /// @param after null: from the first
    RowCursor scan(byte[] prefix, byte @Nullable [] after);

    /// Runs over rows. Close it.
    interface RowCursor extends AutoCloseable {
        /// Moves on. False at the end.
        boolean next();

        byte[] key();

        byte[] value();

        @Override
        void close();
    }
}
