package io.cistern.raft;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.ratis.CacheEviction;
import io.cistern.raft.ratis.LogWorker;
import io.cistern.raft.ratis.Witnesses;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.ratis.proto.RaftProtos.RaftConfigurationProto;
import org.apache.ratis.proto.RaftProtos.RaftPeerRole;
import org.apache.ratis.protocol.ClientId;
import org.apache.ratis.protocol.RaftGroupId;
import org.apache.ratis.protocol.RaftPeer;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;
import org.apache.ratis.util.LifeCycle;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A replica on Ratis. One Ratis server per replica: its peer id and directory are its own.
final class RatisGroup implements RaftGroup {
    private static final Logger log = LoggerFactory.getLogger(RatisGroup.class);
    private static final int LEASE_ATTEMPTS = 3;

    private static final Duration TRIM_INTERVAL = Duration.ofSeconds(2);

    /// How old the note of what is committed may be at a loss of power.
    private static final Duration COMMITTED_INTERVAL = Duration.ofSeconds(10);

    /// Replaying ends by itself: with success, or with the replica.
    private static final Duration REPLAY_PATIENCE = Duration.ofHours(1);

    /// An entry that is being applied may wait for a slow disk.
    private static final Duration CLOSE_PATIENCE = Duration.ofMinutes(1);

    private static final long CLOSE_LOOK_NANOS = 1_000_000;

    private final GroupId id;
    private final Peer self;
    private final RaftHostConfig config;
    private final StateMachine target;
    private final RaftGroupId ratisId;
    private final ClientId clientId = ClientId.randomId();
    private final ByteString proposerId = clientId.toByteString();
    private final ExecutorService events;
    private final ExecutorService control;
    private final LeadershipTracker leadership;
    private final AppliedWaiters waiters;
    private final Batcher batcher;
    private final ReplicaStore store;
    private final LogCounters counters;
    private final Runnable onClose;
    private final RatisStateMachine adapter;
    private final LogRetention retention;
    private final ScheduledFuture<?> trimming;
    private final ElectionTimer elections;

    /// An index up to which this replica's own log is known to be committed, from its start on.
    private final CompletableFuture<Long> committedAtOpen = new CompletableFuture<>();

    private volatile List<Peer> members;
    private volatile @Nullable RaftServer server;
    private volatile RaftServer.@Nullable Division division;
    private volatile @Nullable PurgedFiles purged;
    private volatile boolean closed;

    /// When the committed index was last noted, by the configured clock. Guarded by this.
    private long notedAt;

    /// @param shared what the groups of one host share
    RatisGroup(GroupId id, Peer self, List<Peer> members, StateMachine target, HostParts shared) {
        this.id = id;
        this.self = self;
        this.members = members;
        this.target = target;
        this.config = shared.config();
        this.control = shared.control();
        this.ratisId = RatisPeers.groupId(id);
        this.onClose = shared.onClose();
        this.store = shared.store();
        this.counters = new LogCounters(store.directory());
        this.notedAt = config.nanoTime().getAsLong();
        String name = "raft-" + id + "-" + self.id();
        this.events =
                Executors.newSingleThreadExecutor(
                        Thread.ofPlatform().name(name + "-events").daemon().factory());
        this.waiters = new AppliedWaiters(shared.timer());
        this.leadership =
                new LeadershipTracker(
                        self.id(),
                        config.timings(),
                        config.nanoTime(),
                        shared.timer(),
                        change -> callback(() -> target.leadershipChanged(change)));
        this.batcher = new Batcher(name, this::submit, config.nanoTime(), this::callback);
        this.adapter = new RatisStateMachine(target, this, new OpenSegment(store.current()));
        this.retention = new LogRetention(store.current());
        this.elections =
                new ElectionTimer(
                        new RatisFollower(self.id(), () -> division),
                        config.timings(),
                        (look, wait) ->
                                shared.timer().schedule(look, wait.toNanos(), TimeUnit.NANOSECONDS),
                        control,
                        config.nanoTime());
        // Space may become short while nothing is written here.
        this.trimming =
                shared.timer()
                        .scheduleWithFixedDelay(
                                this::trimLog,
                                TRIM_INTERVAL.toMillis(),
                                TRIM_INTERVAL.toMillis(),
                                TimeUnit.MILLISECONDS);
    }

    RatisStateMachine adapter() {
        return adapter;
    }

    /// Begins to take part. Blocks while the log is read.
    void start(RaftServer started) throws IOException {
        server = started;
        purged = PurgedFiles.open(store.directory(), control);
        started.start();
        RaftServer.Division mine = division();
        division = mine;
        members =
                mine.getRaftConf().getAllPeers().isEmpty()
                        ? members
                        : RatisPeers.members(mine.getRaftConf());
        committedAtOpen.complete(KnownCommitted.apply(mine));
        batcher.start();
        elections.start();
    }

    /// Completes when this replica has applied what it knew to be committed when it was opened.
    CompletableFuture<Void> replayed() {
        return committedAtOpen.thenCompose(index -> waiters.await(index, REPLAY_PATIENCE));
    }

    // -- the contract

    @Override
    public GroupId id() {
        return id;
    }

    @Override
    public Peer self() {
        return self;
    }

    @Override
    public List<Peer> members() {
        return members;
    }

    @Override
    public CompletableFuture<Applied> propose(RaftCommand command) {
        Leadership now = leadership.current();
        return now.ready() ? batcher.propose(command) : CompletableFuture.failedFuture(notLeader());
    }

    @Override
    public Leadership leadership() {
        return leadership.current();
    }

    @Override
    public boolean witnessStandsIn() {
        RaftServer running = server;
        return running != null && Witnesses.standsIn(running);
    }

    @Override
    public boolean leaseValid() {
        return leadership.leaseValid();
    }

    @Override
    public CompletableFuture<Void> awaitLease() {
        if (leadership.leaseValid()) {
            return CompletableFuture.completedFuture(null);
        }
        if (!leadership.current().ready()) {
            return CompletableFuture.failedFuture(notLeader());
        }
        return renewLease(LEASE_ATTEMPTS);
    }

    /// An entry that takes longer than the lease renews nothing: on a busy machine that happens.
    private CompletableFuture<Void> renewLease(int attempts) {
        return batcher.touch()
                .thenCompose(applied -> {
                    if (leadership.leaseValid()) {
                        return CompletableFuture.completedFuture(null);
                    }
                    if (attempts > 1 && leadership.current().ready()) {
                        return renewLease(attempts - 1);
                    }
                    return CompletableFuture.failedFuture(
                            new CisternException(
                                    ErrorCode.UNAVAILABLE,
                                    "this replica could not renew its lease as the leader"
                                            + " of "
                                            + id
                                            + " in time; ask again"));
                });
    }

    @Override
    public long appliedIndex() {
        return waiters.applied();
    }

    @Override
    public CompletableFuture<Void> awaitApplied(long index, Duration timeout) {
        return waiters.await(index, timeout);
    }

    @Override
    public long lastIndexAtOpen() {
        return store.lastIndexAtOpen();
    }

    @Override
    public CompletableFuture<Void> transferLeadership(String peerId, Duration timeout) {
        if (Peer.isWitness(peerId)) {
            return CompletableFuture.failedFuture(
                    new CisternException(
                            ErrorCode.INVALID, peerId + " is a witness: it never leads"));
        }
        if (!leadership.current().ready()) {
            return CompletableFuture.failedFuture(notLeader());
        }
        return peerId.equals(self.id())
                ? CompletableFuture.completedFuture(null)
                : administration().transferLeadership(peerId, timeout);
    }

    @Override
    public CompletableFuture<Void> setMembers(List<Peer> voters, List<Peer> listeners) {
        try {
            RaftHost.checkVoters(id, voters);
        } catch (CisternException e) {
            return CompletableFuture.failedFuture(e);
        }
        return leadership.current().ready()
                ? administration().setMembers(voters, listeners)
                : CompletableFuture.failedFuture(notLeader());
    }

    private RatisAdministration administration() {
        return new RatisAdministration(
                Objects.requireNonNull(server), ratisId, config.timings(), leadership, control);
    }

    @Override
    public Stats stats() {
        RaftServer.Division mine = division;
        if (mine == null) {
            return new Stats(0, 0, 0, 0, 0, -1, Map.of());
        }
        try {
            return counters.stats(mine);
        } catch (IllegalStateException closed) {
            // Ratis closes the log of a replica that has been taken out of its group.
            return new Stats(0, 0, 0, 0, 0, -1, Map.of());
        }
    }

    @Override
    public void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
        }
        adapter.closing();
        stopEviction();
        RaftServer.Division mine = division;
        try (LogWorker _ = mine == null ? null : LogWorker.wakeAtClose(mine)) {
            closeServer();
            if (mine != null) {
                awaitClosed(mine);
            }
        }
        PurgedFiles names = purged;
        if (names != null) {
            names.close();
        }
        if (mine != null) {
            noteCommitted(mine);
        }
        closed();
        onClose.run();
    }

    private void closeServer() {
        RaftServer running = server;
        if (running != null) {
            try {
                running.close();
            } catch (IOException e) {
                log.warn("closing group {} on {}", id, self.id(), e);
            }
        }
    }

    /// Ratis closes a replica by itself when it finds that it is no member any more. Closing the
    /// server does not wait for that, and meanwhile entries are still applied.
    private void awaitClosed(RaftServer.Division mine) {
        long begun = System.nanoTime();
        while (mine.getInfo().getLifeCycleState() != LifeCycle.State.CLOSED) {
            if (System.nanoTime() - begun >= CLOSE_PATIENCE.toNanos()) {
                log.warn(
                        "group {} on {} is still closing after {} s; going on without it",
                        id,
                        self.id(),
                        CLOSE_PATIENCE.toSeconds());
                return;
            }
            LockSupport.parkNanos(CLOSE_LOOK_NANOS);
        }
    }

    /// See [CacheEviction].
    void stopEviction() {
        RaftServer.Division mine = division;
        if (mine != null) {
            CacheEviction.stop(mine);
        }
    }

    // -- what the state machine adapter reports

    void aboutToLog(long callId) {
        Batch batch = batcher.inFlight(callId);
        if (batch != null) {
            batch.markMaybeLogged();
        }
    }

    /// @param bytes what the entry takes in the log
    void applied(LogPosition position, int bytes, List<@Nullable Object> results) {
        counters.applied(bytes, results.size());
        waiters.advanceTo(position.index());
    }

    /// Hands the results to the proposers, if this process proposed the entry.
    void complete(
            LogPosition position,
            ByteString proposer,
            long callId,
            List<@Nullable Object> results) {
        Batch batch = proposer.equals(proposerId) ? batcher.take(callId) : null;
        if (batch != null) {
            leadership.committed(position.term(), batch.proposedNanos);
            batch.complete(position, results);
        }
    }

    void advanced(long index) {
        waiters.advanceTo(index);
    }

    void ownEntryApplied(long term) {
        leadership.ownEntryApplied(term);
    }

    /// Ratis has made its files.
    void storageReady() throws IOException {
        store.opened();
    }

    void membersChanged(long term, long index, RaftConfigurationProto configuration) {
        try {
            store.membersChanged(term, index, configuration);
        } catch (IOException e) {
            halt("cannot store the members of " + id + " in " + store.directory(), e);
            throw new UncheckedIOException(e);
        }
        List<Peer> now = RatisStateMachine.peers(configuration);
        if (!now.equals(members)) {
            members = now;
            callback(() -> target.membersChanged(now));
        }
    }

    /// Purges what of the log need not be kept; does not wait.
    void trimLog() {
        if (division != null && !closed) {
            control.execute(this::trimNow);
        }
    }

    private void trimNow() {
        RaftServer.Division mine = division;
        PurgedFiles names = purged;
        if (mine == null || names == null || closed) {
            return;
        }
        try {
            retention.trim(
                    mine.getRaftLog(), adapter.superfluous(), target.retainedLogBytes(), names);
        } catch (IOException | RuntimeException e) {
            // The replica may be closing; else it is tried again.
            log.debug("the log of group {} on {} was not trimmed", id, self.id(), e);
        }
        synchronized (this) {
            long now = config.nanoTime().getAsLong();
            if (!closed && now - notedAt >= COMMITTED_INTERVAL.toNanos()) {
                notedAt = now;
                noteCommitted(mine);
            }
        }
    }

    /// See [CommittedFile].
    private void noteCommitted(RaftServer.Division mine) {
        try {
            store.committed(mine.getRaftLog().getLastCommittedIndex());
        } catch (IOException | RuntimeException e) {
            log.warn("cannot note in {} what is committed", store.directory(), e);
        }
    }

    /// May come while the replica starts, before [#start] has the division.
    void leaderChanged(RaftPeerId leader) {
        RaftServer.Division mine = division();
        RaftPeer peer =
                mine.getRaftConf().getPeer(leader, RaftPeerRole.FOLLOWER, RaftPeerRole.LISTENER);
        leadership.leaderIs(
                mine.getInfo().getCurrentTerm(), peer == null ? null : RatisPeers.fromRatis(peer));
    }

    RaftServer.Division division() {
        try {
            return Objects.requireNonNull(server).getDivision(ratisId);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void stoppedLeading() {
        leadership.stoppedLeading();
        batcher.failAll(
                notLeader(),
                new CisternException(
                        ErrorCode.UNAVAILABLE,
                        "the leader of "
                                + id
                                + " changed while the command was on its way; it may or may not"
                                + " take effect"));
    }

    void halt(String message, Throwable cause) {
        config.halt().halt(message, cause);
    }

    /// Runs what may block.
    void control(Runnable task) {
        control.execute(task);
    }

    void installFailed(@Nullable Throwable failure) {
        log.warn(
                "fetching the state of {} for {} failed; it is tried again",
                id,
                self.id(),
                failure);
    }

    /// Ratis closed the replica by itself: it was removed from the group, or has halted.
    void closedByRatis() {
        log.error(
                "replica {} of {} has stopped: it is no longer a member, or has failed",
                self.id(),
                id);
    }

    /// The Ratis server is gone: nothing waits any longer.
    void closed() {
        trimming.cancel(false);
        elections.close();
        committedAtOpen.cancel(false);
        leadership.stoppedLeading();
        batcher.close();
        waiters.failAll(
                new CisternException(
                        ErrorCode.UNAVAILABLE, "group " + id + " is closed on this node"));
        events.shutdown();
    }

    // -- inside

    private CisternException notLeader() {
        Peer leader = leadership.current().leader();
        String hint;
        if (leader == null) {
            hint = "none is known yet; ask again";
        } else if (leader.id().equals(self.id())) {
            hint = "it was just elected and is not ready yet; ask again";
        } else {
            hint = leader.node() + " does";
        }
        return new CisternException(
                ErrorCode.NOT_LEADER, "node " + self.node() + " does not lead " + id + ": " + hint);
    }

    private CompletableFuture<@Nullable Throwable> submit(long callId, byte[] entry) {
        RaftServer.Division mine = division;
        if (mine == null) {
            return CompletableFuture.completedFuture(notLeader());
        }
        RaftEntry.stampCommitted(entry, waiters.applied());
        return RatisSubmission.submit(mine, clientId, callId, entry);
    }

    /// Requests that Ratis remembers.
    long retryCacheSize() {
        return division().getRetryCache().getStatistics().size();
    }

    private void callback(Runnable call) {
        if (events.isShutdown()) {
            call.run();
            return;
        }
        events.execute(() -> {
            try {
                call.run();
            } catch (RuntimeException e) {
                log.error("a callback of group {} on {} failed", id, self.id(), e);
            }
        });
    }
}
