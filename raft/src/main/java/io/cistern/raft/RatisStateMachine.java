package io.cistern.raft;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.ratis.proto.RaftProtos.LogEntryProto;
import org.apache.ratis.proto.RaftProtos.RaftConfigurationProto;
import org.apache.ratis.proto.RaftProtos.RoleInfoProto;
import org.apache.ratis.proto.RaftProtos.StateMachineLogEntryProto;
import org.apache.ratis.protocol.Message;
import org.apache.ratis.protocol.RaftClientRequest;
import org.apache.ratis.protocol.RaftGroupId;
import org.apache.ratis.protocol.RaftGroupMemberId;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.protocol.TermIndex;
import org.apache.ratis.server.raftlog.RaftLog;
import org.apache.ratis.server.storage.FileInfo;
import org.apache.ratis.server.storage.RaftStorage;
import org.apache.ratis.statemachine.SnapshotInfo;
import org.apache.ratis.statemachine.TransactionContext;
import org.apache.ratis.statemachine.impl.BaseStateMachine;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;
import org.apache.ratis.util.LifeCycle;
import org.jspecify.annotations.Nullable;

/// What Ratis sees of a [StateMachine].
///
/// Ratis' own habits that are worked around here:
/// - It logs and skips an entry whose apply fails. Here any failure halts the process, and the
///   exception then stops the group, so that nothing is applied after a gap.
/// - It carries results in reply messages. Here the apply thread completes the proposer's futures.
/// - It knows snapshots as files. Here a snapshot is only the position up to which the state is
///   durable by itself.
final class RatisStateMachine extends BaseStateMachine {
    private record Checkpoint(TermIndex termIndex) implements SnapshotInfo {
        @Override
        public TermIndex getTermIndex() {
            return termIndex;
        }

        @Override
        public List<FileInfo> getFiles() {
            return List.of();
        }
    }

    private final StateMachine target;
    private final RatisGroup group;
    private final boolean witness;
    private final DataApi beforeSyncs;
    private final Object applyLock = new Object();

    private volatile TermIndex checkpoint;

    /// Index up to which the log is of no use here.
    private volatile long superfluous;

    private volatile boolean failed;

    // Guarded by applyLock.
    private boolean installing;
    private boolean closing;

    /// Set just before the entry's notifyTermIndexUpdated, both on the apply thread.
    private boolean ownEntryReached;

    /// @param segment of the group's log
    RatisStateMachine(StateMachine target, RatisGroup group, OpenSegment segment) {
        this.target = target;
        this.group = group;
        this.beforeSyncs =
                new DataApi() {
                    /// Ratis waits for this, and for its own sync, before entries count.
                    @Override
                    public CompletableFuture<Void> flush(long index) {
                        try {
                            segment.aboutToSync();
                            return CompletableFuture.completedFuture(null);
                        } catch (IOException e) {
                            return CompletableFuture.failedFuture(e);
                        }
                    }
                };
        this.witness = group.self().witness();
        this.checkpoint = termIndex(target.checkpointed());
        this.superfluous = checkpoint.getIndex();
        setLastAppliedTermIndex(checkpoint);
    }

    private static TermIndex termIndex(LogPosition position) {
        return TermIndex.valueOf(position.term(), position.index());
    }

    @Override
    public void initialize(RaftServer server, RaftGroupId groupId, RaftStorage storage)
            throws IOException {
        super.initialize(server, groupId, storage);
        group.storageReady();
        getLifeCycle().transition(LifeCycle.State.STARTING);
        getLifeCycle().transition(LifeCycle.State.RUNNING);
        group.advanced(checkpoint.getIndex());
    }

    @Override
    public @Nullable SnapshotInfo getLatestSnapshot() {
        TermIndex position = checkpoint;
        return position.getIndex() < 0 ? null : new Checkpoint(position);
    }

    /// Never tells Ratis of a new one: it would purge the log up to there. See [LogRetention].
    @Override
    public long takeSnapshot() {
        synchronized (applyLock) {
            if (!failed && !installing) {
                TermIndex position = termIndex(target.checkpointed());
                if (position.getIndex() > checkpoint.getIndex()) {
                    checkpoint = position;
                }
                if (position.getIndex() > superfluous) {
                    superfluous = position.getIndex();
                    group.trimLog();
                }
            }
            return RaftLog.INVALID_LOG_INDEX;
        }
    }

    /// Index up to which the log may be purged as far as this replica is concerned.
    long superfluous() {
        return superfluous;
    }

    @Override
    public TransactionContext startTransaction(RaftClientRequest request) {
        return TransactionContext.newBuilder()
                .setStateMachine(this)
                .setClientRequest(request)
                .build();
    }

    @Override
    public TransactionContext preAppendTransaction(TransactionContext transaction) {
        RaftClientRequest request = transaction.getClientRequest();
        if (request != null) {
            group.aboutToLog(request.getCallId());
        }
        return transaction;
    }

    @Override
    public CompletableFuture<Message> applyTransaction(TransactionContext transaction) {
        LogEntryProto entry = transaction.getLogEntry();
        StateMachineLogEntryProto content = entry.getStateMachineLogEntry();
        LogPosition position = new LogPosition(entry.getTerm(), entry.getIndex());
        synchronized (applyLock) {
            if (mustApply(position)) {
                List<@Nullable Object> results;
                try {
                    results = apply(position, content.getLogData());
                } catch (Throwable e) {
                    throw halt(position, e);
                }
                updateLastAppliedTermIndex(position.term(), position.index());
                group.applied(position, entry.getSerializedSize(), results);
                group.complete(position, content.getClientId(), content.getCallId(), results);
            }
        }
        return CompletableFuture.completedFuture(Message.EMPTY);
    }

    private List<@Nullable Object> apply(LogPosition position, ByteString content) {
        if (witness) {
            target.advance(position);
            return List.of();
        }
        List<ByteBuffer> commands = RaftEntry.decode(content.asReadOnlyByteBuffer());
        if (commands.isEmpty()) {
            target.advance(position);
            return List.of();
        }
        List<@Nullable Object> results = target.apply(position, commands);
        if (results.size() != commands.size()) {
            throw new IllegalStateException(
                    results.size() + " results for " + commands.size() + " commands");
        }
        return results;
    }

    @Override
    public void notifyTermIndexUpdated(long term, long index) {
        LogPosition position = new LogPosition(term, index);
        synchronized (applyLock) {
            if (mustApply(position)) {
                try {
                    target.advance(position);
                } catch (Throwable e) {
                    throw halt(position, e);
                }
                updateLastAppliedTermIndex(term, index);
                group.advanced(index);
            }
        }
        if (ownEntryReached) {
            ownEntryReached = false;
            group.ownEntryApplied(term);
        }
    }

    @Override
    public void notifyLeaderReady() {
        ownEntryReached = true;
    }

    @Override
    public void notifyConfigurationChanged(
            long term, long index, RaftConfigurationProto configuration) {
        group.membersChanged(term, index, configuration);
    }

    @Override
    public void notifyLeaderChanged(RaftGroupMemberId member, RaftPeerId leader) {
        group.leaderChanged(leader);
    }

    @Override
    public void notifyNotLeader(Collection<TransactionContext> pending) {
        group.stoppedLeading();
    }

    @Override
    public DataApi data() {
        return beforeSyncs;
    }

    @Override
    public void notifyLogFailed(Throwable cause, @Nullable LogEntryProto entry) {
        failed = true;
        group.halt("the log of group " + group.id() + " failed", cause);
    }

    /// The leader has purged what this replica needs, or may have: Ratis always asks a new member.
    /// Called under Ratis' lock, so the work begins on another thread. From then on the apply
    /// thread waits, and what it finds when it goes on has been made superfluous by the install.
    @Override
    public CompletableFuture<TermIndex> notifyInstallSnapshotFromLeader(
            RoleInfoProto role, TermIndex firstAvailable) {
        Peer leader = RatisPeers.fromProto(role.getFollowerInfo().getLeaderInfo().getId());
        CompletableFuture<@Nullable TermIndex> installed = new CompletableFuture<>();
        // What the replica has itself need not be fetched, so that is applied first.
        group.replayed()
                .whenComplete((replayed, closed) -> {
                    if (closed != null) {
                        installed.completeExceptionally(closed);
                    } else {
                        group.control(() -> startInstall(leader, firstAvailable, installed));
                    }
                });
        return installed;
    }

    private void startInstall(
            Peer leader,
            TermIndex firstAvailable,
            CompletableFuture<@Nullable TermIndex> installed) {
        CompletableFuture<LogPosition> reached;
        synchronized (applyLock) {
            if (failed || closing || installing) {
                installed.completeExceptionally(
                        new IllegalStateException("an install cannot begin now"));
                return;
            }
            if (firstAvailable.getIndex() - 1 <= getLastAppliedTermIndex().getIndex()) {
                // Nothing lacks: the log follows.
                installed.complete(null);
                return;
            }
            installing = true;
            try {
                reached =
                        target.install(
                                leader,
                                new LogPosition(
                                        firstAvailable.getTerm(), firstAvailable.getIndex()));
            } catch (RuntimeException e) {
                reached = CompletableFuture.failedFuture(e);
            }
        }
        reached.whenComplete((position, failure) -> {
            if (failure == null && position.index() < firstAvailable.getIndex() - 1) {
                endInstall(
                        null,
                        new IllegalStateException(
                                "installed up to "
                                        + position
                                        + ", but the leader's log begins at "
                                        + firstAvailable),
                        installed);
            } else {
                endInstall(position, failure, installed);
            }
        });
    }

    private void endInstall(
            @Nullable LogPosition position,
            @Nullable Throwable failure,
            CompletableFuture<@Nullable TermIndex> installed) {
        synchronized (applyLock) {
            installing = false;
            if (position != null) {
                checkpoint = termIndex(position);
                superfluous = position.index();
                setLastAppliedTermIndex(checkpoint);
                group.advanced(position.index());
            }
            applyLock.notifyAll();
        }
        if (position != null) {
            installed.complete(checkpoint);
        } else {
            group.installFailed(failure);
            installed.completeExceptionally(
                    failure != null ? failure : new IllegalStateException("nothing installed"));
        }
    }

    @Override
    public void pause() {
        getLifeCycle().transition(LifeCycle.State.PAUSING);
        getLifeCycle().transition(LifeCycle.State.PAUSED);
    }

    /// Follows an install: Ratis goes on behind [#getLatestSnapshot].
    @Override
    public void reinitialize() {
        getLifeCycle().transition(LifeCycle.State.STARTING);
        getLifeCycle().transition(LifeCycle.State.RUNNING);
    }

    /// Lets a waiting apply thread go: the group is about to close.
    void closing() {
        synchronized (applyLock) {
            closing = true;
            applyLock.notifyAll();
        }
    }

    @Override
    public void close() {
        synchronized (applyLock) {
            if (!closing) {
                group.closedByRatis();
            }
        }
        group.closed();
    }

    /// Waits while an install runs; then false if it made this entry superfluous.
    private boolean mustApply(LogPosition position) {
        while (installing && !closing) {
            try {
                applyLock.wait();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while a state is installed", e);
            }
        }
        if (failed || installing) {
            throw new IllegalStateException("group " + group.id() + " has stopped");
        }
        return position.index() > getLastAppliedTermIndex().getIndex();
    }

    private IllegalStateException halt(LogPosition position, Throwable cause) {
        failed = true;
        String message =
                "applying entry " + position.index() + " of group " + group.id() + " failed";
        group.halt(message, cause);
        return new IllegalStateException(message, cause);
    }

    /// Voters and listeners of a configuration entry.
    static List<Peer> peers(RaftConfigurationProto configuration) {
        List<Peer> peers = new ArrayList<>();
        configuration.getPeersList().forEach(peer -> peers.add(RatisPeers.fromProto(peer)));
        configuration.getListenersList().forEach(peer -> peers.add(RatisPeers.fromProto(peer)));
        return List.copyOf(peers);
    }
}
