package io.cistern.storage;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// One row of the block map on its way to another replica.
///
/// @param valid one bit per block stored in this row
/// @param zero one bit per block that this row makes zero
/// @param digest of valid, zero and the checksums: equal digests, equal contents
/// @param crcs CRC32C of each valid block, in order; null where the row is only listed
/// @param data the valid blocks one behind the other, verified; null where the row is only listed
public record RowExport(
        RowKey key,
        int valid,
        int zero,
        long lastIndex,
        long digest,
        int @Nullable [] crcs,
        @Nullable ByteBuffer data) {
    /// True where the page names the row but leaves out its contents, because it has not changed
    /// since the index the receiver said it has.
    public boolean listedOnly() {
        return crcs == null;
    }
}
