package io.cistern.storage;

/// Names a row of the block map: what `epoch` of `branch` holds of the 64 KiB granule number
/// `granule`. Ordered by branch, granule and then the newest epoch first, so that the rows a read
/// falls through stand one behind the other.
public record RowKey(long branch, long granule, int epoch) implements Comparable<RowKey> {
    /// Before every key.
    public static final RowKey FIRST = new RowKey(0, 0, Integer.MAX_VALUE);

    @Override
    public int compareTo(RowKey other) {
        int c = Long.compare(branch, other.branch);
        if (c == 0) {
            c = Long.compare(granule, other.granule);
        }
        return c == 0 ? Integer.compare(other.epoch, epoch) : c;
    }
}
