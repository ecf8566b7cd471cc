package io.cistern.storage;

import java.util.List;

/// What a comparison of a disk's slots with the rows that name them found.
///
/// @param complete false where a replica was opened, closed or copied meanwhile: nothing is known
/// @param slots given out
/// @param leaked given out, and named by no row, two times running: each is given back
/// @param marked named by a row and not given out: they are marked as given out now
/// @param shared named by two rows: one of the two has lost its data
public record BooksReport(
        boolean complete, long slots, long leaked, long marked, List<Shared> shared) {

    /// @param groups whose rows name the slot; one where both rows are its own
    public record Shared(long slot, List<Long> groups) {}

    /// Slots given back.
    public long freed() {
        return leaked;
    }

    public boolean clean() {
        return complete && leaked == 0 && marked == 0 && shared.isEmpty();
    }
}
