package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Leadership;
import io.cistern.raft.LogPosition;
import io.cistern.raft.Peer;
import io.cistern.raft.StateMachine;
import io.cistern.storage.Command;
import io.cistern.storage.CommandCodec;
import io.cistern.storage.Outcome;
import io.cistern.storage.Store;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Feeds a group's log to its store, and decides when the store takes a checkpoint: after so many
/// bytes of log, so many changed rows, or so much time.
///
/// The result of each command is its [Outcome]. A command that does not decode is a damaged entry:
/// the failure leaves [#apply], which stops the process.
final class VolumeStateMachine implements StateMachine {
    private static final Logger log = LoggerFactory.getLogger(VolumeStateMachine.class);

    /// Hears what Raft tells the replica.
    interface Listener {
        void leadershipChanged(Leadership leadership);

        void membersChanged(List<Peer> members);

        /// See [StateMachine#install].
        CompletableFuture<LogPosition> install(Peer leader, LogPosition firstAvailable);

        /// A position that the log must still reach back to for others; null: no such need.
        @Nullable LogPosition logNeededFrom();
    }

    private final Store store;
    private final Listener listener;
    private final GroupTuning tuning;
    private final LongSupplier nanoTime;

    /// The entry being applied, or the last one: reads may already show its effects.
    private volatile long begunIndex;

    private volatile long appliedIndex;

    /// When the last checkpoint ended, or the replica opened.
    private volatile long lastCheckpointNanos;

    /// Bytes of log since the last checkpoint began. Written by the apply thread alone.
    private volatile long logBytes;

    /// Set on the apply thread, cleared when the checkpoint ends.
    private volatile boolean checkpointing;

    /// No checkpoint begins before; see [#holdCheckpoints].
    private volatile long heldUntilNanos;

    /// See [#cutAt].
    private volatile long cutIndex = Long.MAX_VALUE;

    private volatile Runnable onCut = () -> {};

    /// @param nanoTime the clock of intervals, as [System#nanoTime]: the wall clock may be set back
    VolumeStateMachine(Store store, Listener listener, GroupTuning tuning, LongSupplier nanoTime) {
        this.store = store;
        this.listener = listener;
        this.tuning = tuning;
        this.nanoTime = nanoTime;
        this.begunIndex = store.applied().index();
        this.appliedIndex = begunIndex;
        this.lastCheckpointNanos = nanoTime.getAsLong();
        this.heldUntilNanos = lastCheckpointNanos;
    }

    /// Index of the last entry whose effects are all visible.
    long appliedIndex() {
        return appliedIndex;
    }

    /// Index of the last entry any of whose effects may be visible. An entry is applied only once
    /// it is committed, so a reader who has seen part of it may rely on it.
    long visibleIndex() {
        return begunIndex;
    }

    @Override
    public LogPosition checkpointed() {
        LogPosition durable = store.checkpointed();
        LogPosition needed = listener.logNeededFrom();
        return needed != null && needed.index() < durable.index() ? needed : durable;
    }

    @Override
    public long retainedLogBytes() {
        return tuning.logRetentionBytes();
    }

    @Override
    public List<@Nullable Object> apply(LogPosition position, List<ByteBuffer> commands) {
        begunIndex = position.index();
        long bytes = logBytes;
        List<Command> decoded = new ArrayList<>(commands.size());
        for (ByteBuffer command : commands) {
            bytes += command.remaining();
            decoded.add(CommandCodec.decode(command));
        }
        logBytes = bytes;
        store.makeRoom(decoded);
        List<@Nullable Object> outcomes = new ArrayList<>(commands.size());
        for (Command command : decoded) {
            outcomes.add(apply(position, command));
        }
        finish(position);
        return outcomes;
    }

    /// @throws ReplicaHalt.DamagedReplica the store's map is damaged
    private Outcome apply(LogPosition position, Command command) {
        try {
            return store.apply(position.index(), position.term(), command);
        } catch (CisternException e) {
            if (e.code() == ErrorCode.CORRUPT) {
                throw new ReplicaHalt.DamagedReplica(new GroupId(store.group()), e);
            }
            throw e;
        }
    }

    @Override
    public void advance(LogPosition position) {
        begunIndex = position.index();
        finish(position);
    }

    private void finish(LogPosition position) {
        store.advance(position.index(), position.term());
        appliedIndex = position.index();
        if (position.index() >= cutIndex) {
            cutIndex = Long.MAX_VALUE;
            onCut.run();
        }
        if (!checkpointing && checkpointDue() && nanoTime.getAsLong() - heldUntilNanos >= 0) {
            checkpointing = true;
            logBytes = 0;
            long begun = nanoTime.getAsLong();
            store.checkpoint().whenComplete((reached, failure) -> ended(begun, reached, failure));
        }
    }

    private boolean checkpointDue() {
        return logBytes >= tuning.checkpointLogBytes()
                || store.checkpointDue()
                || checkpointOverdue();
    }

    /// True where something changed and the last checkpoint is too long ago. A checkpoint begins
    /// with the next entry.
    boolean checkpointOverdue() {
        return logBytes > 0
                && !checkpointing
                && nanoTime.getAsLong() - lastCheckpointNanos
                        >= tuning.checkpointInterval().toNanos();
    }

    /// Runs `task` on the apply thread when the first entry from `index` on has been applied,
    /// before the next one. It must not block. Takes the place of the task before;
    /// [Long#MAX_VALUE]: of none.
    void cutAt(long index, Runnable task) {
        onCut = task;
        cutIndex = index;
    }

    /// No checkpoint begins for so long.
    ///
    /// @return false while one is under way still
    boolean holdCheckpoints(long nanos) {
        heldUntilNanos = nanoTime.getAsLong() + nanos;
        return store.holdCheckpoints(nanos);
    }

    private void ended(
            long begunNanos, @Nullable LogPosition reached, @Nullable Throwable failure) {
        lastCheckpointNanos = nanoTime.getAsLong();
        if (failure != null) {
            // The store halts the process on a failed write; what arrives here is its closing.
            log.info("checkpoint of group {} ended: {}", store.group(), failure.toString());
        } else {
            log.debug(
                    "checkpoint of group {} at {} took {} ms",
                    store.group(),
                    reached,
                    TimeUnit.NANOSECONDS.toMillis(lastCheckpointNanos - begunNanos));
        }
        checkpointing = false;
    }

    /// The store stands at another position than the entries applied here led to: after an install.
    LogPosition moved(LogPosition reached) {
        begunIndex = reached.index();
        appliedIndex = reached.index();
        return reached;
    }

    @Override
    public CompletableFuture<LogPosition> install(Peer leader, LogPosition firstAvailable) {
        return listener.install(leader, firstAvailable).thenApply(this::moved);
    }

    @Override
    public void leadershipChanged(Leadership leadership) {
        listener.leadershipChanged(leadership);
    }

    @Override
    public void membersChanged(List<Peer> members) {
        listener.membersChanged(members);
    }

    /// The outcome that a proposal's result stands for.
    ///
    /// @throws CisternException what the outcome refuses
    static Outcome accepted(@Nullable Object result) {
        Outcome outcome = (Outcome) java.util.Objects.requireNonNull(result);
        return accepted(outcome);
    }

    static Outcome accepted(Outcome outcome) {
        if (outcome.error() != null) {
            throw new CisternException(outcome.error(), outcome.message());
        }
        return outcome;
    }
}
