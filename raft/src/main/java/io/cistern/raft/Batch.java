package io.cistern.raft;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// The commands that travel in one log entry, and who waits for them.
final class Batch {
    /// One proposal. Without a buffer it is a marker: it wants an entry committed, whatever is in
    /// it.
    record Proposal(@Nullable ByteBuffer command, CompletableFuture<RaftGroup.Applied> done) {
        int bytes() {
            return command == null ? 0 : command.remaining();
        }
    }

    final long callId;
    final List<Proposal> proposals;
    final long proposedNanos;

    private volatile boolean maybeLogged;

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

    byte[] encode() {
        List<ByteBuffer> commands = new ArrayList<>(proposals.size());
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

    void fail(RuntimeException failure) {
        for (Proposal proposal : proposals) {
            proposal.done().completeExceptionally(failure);
        }
    }
}
