package io.cistern.raft;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// A replication group as one member sees it. All methods may be called from any thread, event
/// loops included: none blocks.
public interface RaftGroup extends AutoCloseable {
    GroupId id();

    /// This replica.
    Peer self();

    List<Peer> members();

    /// The members but witnesses.
    default List<Peer> dataMembers() {
        return members().stream().filter(member -> !member.witness()).toList();
    }

    /// Proposes a command, in the order of the calls. Completes on the apply thread, after this
    /// replica applied it (so after a majority made it durable), with the index and what
    /// [StateMachine#apply] returned for it.
    ///
    /// Fails with NOT_LEADER if it was certainly not logged, with UNAVAILABLE where the outcome is
    /// unknown, with LIMIT if more than the queue's bound (entries or bytes) is waiting. A command
    /// is at most [#MAX_COMMAND_BYTES].
    CompletableFuture<Applied> propose(RaftCommand command);

    /// As [#propose(RaftCommand)]. The buffer belongs to the group until the future completes.
    default CompletableFuture<Applied> propose(ByteBuffer command) {
        return propose(RaftCommand.of(command));
    }

    int MAX_COMMAND_BYTES = 4 << 20;

    /// @param term the term of the entry that held the command
    record Applied(long index, long term, @Nullable Object result) {}

    Leadership leadership();

    /// True on a leader that counts on a witness because no other replica with data keeps up: what
    /// is acknowledged now is on this node's disk alone.
    default boolean witnessStandsIn() {
        return false;
    }

    /// True if this replica leads, is ready, and no other replica can have been elected: its
    /// applied state is the newest. Check after reading what the lease is to cover.
    boolean leaseValid();

    /// Completes when the lease is valid (renewing it by an empty entry where idle), or fails with
    /// NOT_LEADER or UNAVAILABLE.
    CompletableFuture<Void> awaitLease();

    /// Index of the last entry applied here.
    long appliedIndex();

    /// Completes when `index` is applied here; fails with STALE after `timeout`.
    CompletableFuture<Void> awaitApplied(long index, Duration timeout);

    /// The last index that was in the log of this replica when it was opened. Until it is applied
    /// (or, after a change of leader, replaced), data on disk may be newer than the map.
    long lastIndexAtOpen();

    /// Makes `peerId` the leader. Fails with INVALID for a witness, NOT_LEADER here, UNAVAILABLE if
    /// it does not come about in time.
    CompletableFuture<Void> transferLeadership(String peerId, Duration timeout);

    /// Changes the membership: voters and listeners (who receive the log, without a vote). Leader
    /// only. Fails with INVALID where witnesses alone could be a majority.
    CompletableFuture<Void> setMembers(List<Peer> voters, List<Peer> listeners);

    /// Counters since open.
    Stats stats();

    /// @param fsyncs log syncs of this replica
    /// @param entries entries appended to the local log
    /// @param commands commands applied
    /// @param logBytes bytes of the log now on disk
    /// @param logBytesWritten bytes appended to the log
    /// @param purgedIndex the log holds nothing up to here
    /// @param followerIndexes on the leader: for each other member (by peer id), its matched index;
    ///   else empty
    record Stats(
            long fsyncs,
            long entries,
            long commands,
            long logBytes,
            long logBytesWritten,
            long purgedIndex,
            java.util.Map<String, Follower> followerIndexes) {
        /// @param lastHeardMillis milliseconds since the last answer
        public record Follower(long matchIndex, long lastHeardMillis) {}
    }

    @Override
    void close();
}
