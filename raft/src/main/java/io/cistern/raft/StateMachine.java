package io.cistern.raft;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// What a group replicates. One instance per replica.
///
/// Threading: [#apply], [#advance], [#checkpointed] and the start of [#install] are called one at a
/// time, each seeing what the one before it did: apply and advance on the group's one apply thread
/// in log order, an install on another while that one waits. Leadership callbacks come on another
/// single thread, in order.
///
/// Applying is deterministic (no clock, no randomness, no I/O whose result shows in the state) and
/// may be repeated: after a restart every entry behind [#checkpointed] is applied again, over data
/// that may already hold later effects. Whatever [#apply] throws halts the process: an entry is
/// never skipped.
public interface StateMachine {
    /// The position up to which the state is durable by itself, without the log. Entries up to it
    /// may be purged; replay starts after it. Must return at once. Called at open and then
    /// regularly.
    LogPosition checkpointed();

    /// How much of the log, in bytes, to keep beyond what [#checkpointed] says, for members that
    /// are away: they then get what they missed from the log and need no [#install]. Less is kept
    /// where the file system is short of space. Any thread; must return at once.
    default long retainedLogBytes() {
        return 0;
    }

    /// Applies one log entry: the commands of one batch, in order.
    ///
    /// @param position term and index of the entry; all commands of the batch share it
    /// @param commands read-only buffers, valid only during the call
    /// @return one result per command, handed to the proposer's future where this process proposed
    ///   it; null is allowed
    List<@Nullable Object> apply(LogPosition position, List<ByteBuffer> commands);

    /// The index moved without a command (a new leader's first entry, a membership change). Same
    /// thread as apply.
    void advance(LogPosition position);

    /// The leader no longer holds the entries this replica needs. Fetches the state from `leader`
    /// by the implementation's own means, makes it durable, and completes with the position
    /// reached, which is at least `firstAvailable.index() - 1`. Until then nothing is applied here.
    /// After a failure it is asked again, by this leader or the next; entries may be applied in
    /// between, so a failed attempt leaves the old state in place.
    CompletableFuture<LogPosition> install(Peer leader, LogPosition firstAvailable);

    /// Leadership as this replica sees it changed.
    void leadershipChanged(Leadership leadership);

    /// The membership in force changed.
    void membersChanged(List<Peer> members);
}
