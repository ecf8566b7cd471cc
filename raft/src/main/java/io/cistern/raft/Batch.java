package io.cistern.raft;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// The commands that travel in one log entry, and who waits for them.
final class Batch {
    /// One proposal. Without a command it is a marker: it wants an entry committed, whatever is in
    /// it.
    record Proposal(@Nullable RaftCommand command, CompletableFuture<RaftGroup.Applied> done) {
        int bytes() {
            return command == null ? 0 : command.bytes();
        }
    }

    final long callId;
    final List<Proposal> proposals;
    final long proposedNanos;

    private volatile boolean maybeLogged;

    /// Guarded by this. What the commands read may be gone.
    private boolean failed;

    /// @param callId unique in this process's use of the group
    /// @param proposedNanos the clock before the entry was proposed
    Batch(long callId, List<Proposal> proposals, long proposedNanos) {
        this.callId = callId;
        this.proposals = proposals;
        this.proposedNanos = proposedNanos;
    }

    /// From here on the entry may be in the log.
    void markMaybeLogged() {
        maybeLogged = true;
    }

    boolean maybeLogged() {
        return maybeLogged;
    }

    /// Null if the batch has failed already.
    synchronized byte @Nullable [] encode() {
        if (failed) {
            return null;
        }
        List<RaftCommand> commands = new ArrayList<>(proposals.size());
        for (Proposal proposal : proposals) {
            if (proposal.command() != null) {
                commands.add(proposal.command());
            }
        }
        return RaftEntry.encode(commands);
    }

    /// @param results one per command
    void complete(LogPosition position, List<@Nullable Object> results) {
        int next = 0;
        for (Proposal proposal : proposals) {
            Object result = proposal.command() == null ? null : results.get(next++);
            proposal.done()
                    .complete(new RaftGroup.Applied(position.index(), position.term(), result));
        }
    }

    /// Waits while the batch is encoded: who proposed takes the bytes back after this.
    void fail(RuntimeException failure) {
        synchronized (this) {
            failed = true;
        }
        for (Proposal proposal : proposals) {
            proposal.done().completeExceptionally(failure);
        }
    }
}
