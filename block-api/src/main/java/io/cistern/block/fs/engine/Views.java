package io.cistern.block.fs.engine;

import io.cistern.block.fs.FileResults.SnapshotView;
import java.util.List;
import java.util.function.Supplier;

/// A share as readers see it: as it is, and as its snapshots show it.
public interface Views {
    /// @param snapshot 0: as it is
    /// @throws io.cistern.block.fs.FileException STALE: there is no such snapshot (any more)
    Rows rows(long snapshot);

    /// @throws io.cistern.block.fs.FileException STALE
    BlockReads blocks(long snapshot);

    /// Oldest first.
    List<SnapshotView> snapshots();

    /// Runs `task` with no change taking effect in between. Short; no blocks are read in it.
    <T> T still(Supplier<T> task);

    /// Differs from what it was where a change has taken effect, or has begun to, since; so that
    /// what was seen in between need not be looked at again.
    long version();

    /// The same for readers that may not wait: what is not in memory throws
    /// [io.cistern.block.fs.WouldBlockException].
    Views atOnce();
}
