package io.cistern.raft.ratis;

import java.nio.file.Path;

/// Sees to it that nothing that rests on a replica's term or vote leaves before the directory of
/// its vote file is durable. Once a term it costs an fsync, afterwards a comparison.
final class TermGuard {
    private final Path directory;
    private final MetadataSync sync;

    /// The highest term in which an answer may leave.
    private volatile long durableTerm = -1;

    /// The highest term in which this replica's vote for itself may leave.
    private long ownVoteTerm = -1;

    TermGuard(Path directory, MetadataSync sync) {
        this.directory = directory;
        this.sync = sync;
    }

    /// True if an answer in `term` may leave without [#entered].
    boolean isDurable(long term) {
        return term <= durableTerm;
    }

    /// The replica has stored `term`. Blocks.
    synchronized void entered(long term) {
        if (!isDurable(term)) {
            sync.sync(directory, term);
            durableTerm = term;
        }
    }

    /// The replica has stored its vote for another in `term`. Blocks.
    synchronized void voted(long term) {
        sync.sync(directory, term);
        durableTerm = Math.max(durableTerm, term);
    }

    /// The replica has stored its vote for itself in `term` and is about to ask for others. Blocks.
    synchronized void candidate(long term) {
        if (term > ownVoteTerm) {
            sync.sync(directory, term);
            ownVoteTerm = term;
            durableTerm = Math.max(durableTerm, term);
        }
    }
}
