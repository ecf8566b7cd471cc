package io.cistern.raft.ratis;

import io.cistern.block.CisternException;
import io.cistern.raft.ratis.AppendWindow.Sent;
import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;
import java.time.Duration;
import java.util.Comparator;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.ratis.proto.RaftProtos.AppendEntriesReplyProto;
import org.apache.ratis.proto.RaftProtos.AppendEntriesReplyProto.AppendResult;
import org.apache.ratis.proto.RaftProtos.AppendEntriesRequestProto;
import org.apache.ratis.proto.RaftProtos.RaftPeerRole;
import org.apache.ratis.protocol.RaftPeer;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.RaftServerConfigKeys;
import org.apache.ratis.server.leader.FollowerInfo;
import org.apache.ratis.server.leader.LeaderState;
import org.apache.ratis.server.leader.LogAppenderBase;
import org.apache.ratis.server.protocol.TermIndex;
import org.apache.ratis.server.raftlog.RaftLog;
import org.apache.ratis.server.raftlog.RaftLogIOException;
import org.apache.ratis.statemachine.SnapshotInfo;
import org.apache.ratis.util.LifeCycle;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Feeds one follower, from the event loop of the connection to it: no thread of its own, so a new
/// entry costs one wake-up for all followers on that loop.
///
/// Up to [AppendWindow#MAX_IN_FLIGHT] appends are under way, in order. A start, a failure or an
/// inconsistency begins a new era: a heartbeat first finds out where the follower is; what is still
/// under way from the old era may raise the match index, and is otherwise ignored. Heartbeats
/// travel on a connection of their own. A follower that is a witness is sent headers, and no
/// further than its [WitnessGate] lets it. Far behind the leader's log, requests are built on a
/// pool thread, because old entries are read from disk.
///
/// All state is confined to the event loop, but for what is atomic or volatile.
final class PipelinedLogAppender extends LogAppenderBase implements WitnessGate.Mirror {
    private static final Logger LOG = LoggerFactory.getLogger(PipelinedLogAppender.class);

    /// Entries this near to the end of the log are in memory.
    private static final long NEAR_ENTRIES = 256;

    private final RatisRpc rpc;
    private final PeerLink link;
    private final EventLoop loop;
    private final Duration heartbeatTimeout;
    private final SnapshotNotifier snapshots;

    /// Null where the follower keeps data.
    private final @Nullable WitnessGate gate;

    private final AtomicLong callId = new AtomicLong();
    private final AtomicBoolean signalled = new AtomicBoolean();
    private final ErrorPause errors = new ErrorPause();
    private volatile boolean started;
    private volatile boolean stopped;
    private volatile @Nullable Long heardAt;
    private volatile @Nullable Long failingSince;

    private final AppendWindow window = new AppendWindow();
    private final CommitNotice notice = new CommitNotice();
    private final WakeUp wakeUp;
    private boolean building;

    PipelinedLogAppender(RaftServer.Division server, LeaderState leader, FollowerInfo follower) {
        super(server, leader, follower);
        var properties = server.getRaftServer().getProperties();
        if (RaftServerConfigKeys.Log.Appender.installSnapshotEnabled(properties)) {
            throw new IllegalArgumentException(
                    "snapshots are not sent in pieces: set "
                            + RaftServerConfigKeys.Log.Appender.INSTALL_SNAPSHOT_ENABLED_KEY
                            + "=false");
        }
        this.rpc = (RatisRpc) server.getRaftServer().getServerRpc();
        this.link = rpc.link(follower.getId());
        this.loop = link.loop();
        this.wakeUp = new WakeUp(loop, this::step);
        this.heartbeatTimeout =
                Duration.ofMillis(
                        RaftServerConfigKeys.Rpc.timeoutMax(properties)
                                .toLong(TimeUnit.MILLISECONDS));
        this.snapshots = new SnapshotNotifier(this, rpc, link);
        this.gate =
                rpc.transport().hooks().witnesses().isWitness(follower.getId().toString())
                        ? new WitnessGate(
                                toString(), heartbeatTimeout.multipliedBy(2), System.nanoTime())
                        : null;
    }

    // ---- life, any thread

    @Override
    public void start() {
        started = true;
        rpc.add(this);
        notifyLogAppender();
    }

    @Override
    public boolean isRunning() {
        var info = getServer().getInfo();
        return !stopped && info.isAlive() && info.isLeader() && getRaftLog().isOpened();
    }

    @Override
    public CompletableFuture<LifeCycle.State> stopAsync() {
        stopped = true;
        rpc.remove(this);
        execute(wakeUp::cancel);
        return CompletableFuture.completedFuture(LifeCycle.State.CLOSED);
    }

    /// Never called: there is no daemon of the base class to run it.
    @Override
    public void run() {
        throw new IllegalStateException("the event loop runs this appender");
    }

    @Override
    public void notifyLogAppender() {
        if (started && signalled.compareAndSet(false, true)) {
            execute(this::step);
        }
    }

    @Override
    public long getCallId() {
        return callId.get();
    }

    @Override
    public Comparator<Long> getCallIdComparator() {
        return (left, right) -> Long.signum(left - right);
    }

    @Override
    public boolean hasPendingDataRequests() {
        return window.inFlight() > 0;
    }

    void execute(Runnable task) {
        try {
            loop.execute(task);
        } catch (RejectedExecutionException e) {
            LOG.debug("{}: the event loops have been stopped", this);
        }
    }

    void executeBlocking(Runnable task) {
        try {
            rpc.transport().blocking().execute(task);
        } catch (RejectedExecutionException e) {
            LOG.debug("{}: the transport has been closed", this);
        }
    }

    // ---- as a witness's gate and a snapshot's notifier see it

    @Override
    public long matched() {
        return getFollower().getMatchIndex();
    }

    @Override
    public @Nullable Long heardAt() {
        return heardAt;
    }

    @Override
    public @Nullable Long failingSince() {
        return failingSince;
    }

    boolean isWitness() {
        return gate != null;
    }

    /// Whether the follower is a witness that is sent everything.
    boolean standsIn() {
        return gate != null && gate.standsIn() && isRunning();
    }

    private boolean isMirror() {
        RaftPeer voter =
                getServer().getRaftConf().getPeer(getFollower().getId(), RaftPeerRole.FOLLOWER);
        return gate == null && voter != null && isRunning();
    }

    /// Index up to which the follower may be sent the log now.
    private long limit(long now) {
        if (gate == null) {
            return Long.MAX_VALUE;
        }
        RaftLog log = getRaftLog();
        long limit =
                gate.limit(
                        rpc.appenders().stream().filter(PipelinedLogAppender::isMirror).toList(),
                        log.getNextIndex() - 1,
                        now);
        // Two disks: that of the other replica, and this one.
        return limit == Long.MAX_VALUE ? limit : Math.min(limit, log.getFlushIndex());
    }

    /// The state of the follower with data has changed, so those of others may go on.
    private void tellWitnesses() {
        if (gate == null) {
            for (PipelinedLogAppender other : rpc.appenders()) {
                if (other.gate != null) {
                    other.notifyLogAppender();
                }
            }
        }
    }

    // ---- sending, on the loop

    /// Sends what there is to send, and sets the timer for what comes next.
    void step() {
        signalled.set(false);
        if (!isRunning()) {
            wakeUp.cancel();
            return;
        }
        long now = System.nanoTime();
        if (!errors.isPaused(now)) {
            try {
                sendEntries(now);
                sendHeartbeatIfDue(now);
            } catch (RaftLogIOException | RuntimeException e) {
                LOG.warn("{}: cannot read the log for the follower", this, e);
                errors.failed();
                executeBlocking(this::dropUnreadable);
            }
        }
        getLeaderState().checkHealth(getFollower());
        arm(now);
    }

    private void sendEntries(long now) throws RaftLogIOException {
        if (snapshots.blocksEntries(now)) {
            return;
        }
        long era = window.era();
        long limit = limit(now);
        while (window.isCurrent(era)
                && !building
                && window.isOpen()
                && hasAppendEntries()
                && getFollower().getNextIndex() <= limit) {
            long behind = getRaftLog().getNextIndex() - getFollower().getNextIndex();
            if (behind > NEAR_ENTRIES) {
                buildElsewhere();
                return;
            }
            AppendEntriesRequestProto request =
                    newAppendEntriesRequest(callId.getAndIncrement(), false);
            if (request == null) {
                return;
            }
            send(request, limit);
        }
    }

    private void buildElsewhere() {
        building = true;
        long era = window.era();
        executeBlocking(() -> {
            AppendEntriesRequestProto request = null;
            try {
                request = newAppendEntriesRequest(callId.getAndIncrement(), false);
            } catch (RaftLogIOException | RuntimeException e) {
                LOG.warn("{}: cannot read the log for the follower", this, e);
                dropUnreadable();
            }
            AppendEntriesRequestProto result = request;
            execute(() -> built(era, result));
        });
    }

    /// Log that is kept for others alone, and cannot be read, would hold the follower up for ever:
    /// without it, it fetches the state. Blocks.
    private void dropUnreadable() {
        SnapshotInfo own = getServer().getStateMachine().getLatestSnapshot();
        long next = getFollower().getNextIndex();
        if (own != null && next <= own.getIndex() && next >= getRaftLog().getStartIndex()) {
            LOG.warn("{}: dropping the log up to {}", this, own.getIndex());
            getRaftLog().purge(own.getIndex());
        }
    }

    private void built(long era, @Nullable AppendEntriesRequestProto request) {
        building = false;
        if (request == null) {
            errors.failed();
        } else if (isRunning() && window.isCurrent(era) && isNext(request)) {
            long limit = limit(System.nanoTime());
            if (getFollower().getNextIndex() <= limit) {
                send(request, limit);
            }
        }
        step();
    }

    private boolean isNext(AppendEntriesRequestProto request) {
        return request.getEntriesCount() == 0
                || request.getEntries(0).getIndex() == getFollower().getNextIndex();
    }

    private void sendHeartbeatIfDue(long now) throws RaftLogIOException {
        boolean due = window.wantsProbe() && hasAppendEntries();
        due |= getHeartbeatWaitTimeMs() <= 0;
        long committed = getRaftLog().getLastCommittedIndex();
        boolean behind = window.inFlight() == 0 && committed > getFollower().getCommitIndex();
        due |= notice.isDue(now, committed, behind);
        if (due) {
            send(newAppendEntriesRequest(callId.getAndIncrement(), true), Long.MAX_VALUE);
        }
    }

    private void send(AppendEntriesRequestProto made, long limit) {
        AppendEntriesRequestProto request =
                Bootstrapping.correct(getServer().getRaftConf(), getFollower(), made);
        if (gate != null) {
            request = WitnessEntries.of(rpc.transport().hooks().witnesses(), request, limit);
        }
        int count = request.getEntriesCount();
        boolean heartbeat = count == 0;
        long first = heartbeat ? RaftLog.INVALID_LOG_INDEX : request.getEntries(0).getIndex();
        long match = getFollower().getMatchIndex();
        long next =
                request.hasPreviousLog()
                        ? TermIndex.valueOf(request.getPreviousLog()).getIndex() + 1
                        : match + 1;
        int bytes = request.getSerializedSize();
        Sent sent = window.send(first, next, match, bytes);
        if (heartbeat) {
            resetHeartbeatTrigger();
        } else {
            getFollower().increaseNextIndex(request.getEntries(count - 1).getIndex() + 1);
        }
        getFollower().updateLastRpcSendTime(heartbeat);
        rpc.send(
                        heartbeat ? link.urgent() : link.bulk(),
                        Opcode.APPEND,
                        new RatisRpc.Envelope(
                                request.getServerRequest(),
                                request,
                                heartbeat ? heartbeatTimeout : rpc.timeout()))
                .whenComplete((answer, failure) -> answered(sent, answer, failure));
    }

    // ---- answers, on the loop

    private void answered(Sent sent, @Nullable ByteBuf answer, @Nullable Throwable failure) {
        window.returned(sent);
        if (answer == null) {
            if (isRunning()) {
                failed(sent, CisternException.of(Objects.requireNonNull(failure)));
            }
            return;
        }
        AppendEntriesReplyProto reply;
        try {
            reply = Protos.decode(AppendEntriesReplyProto.parser(), answer);
        } catch (CisternException corrupt) {
            failed(sent, corrupt);
            return;
        } finally {
            answer.release();
        }
        if (isRunning()) {
            heardAt = System.nanoTime();
            failingSince = null;
            getFollower().updateLastRespondedAppendEntriesSendTime(sent.at());
            getFollower().updateLastRpcResponseTime();
            replied(sent, reply);
            step();
        }
    }

    private void replied(Sent sent, AppendEntriesReplyProto reply) {
        FollowerInfo follower = getFollower();
        follower.getErrorState().updateErrorCount(reply.getResult() != AppendResult.SUCCESS);
        switch (reply.getResult()) {
            case SUCCESS -> {
                if (errors.succeeded()) {
                    LOG.info("{}: the follower answers again", this);
                }
                window.succeeded(sent);
                getLeaderState().onFollowerCommitIndex(follower, reply.getFollowerCommit());
                if (follower.updateMatchIndex(reply.getMatchIndex())) {
                    follower.updateNextIndex(reply.getMatchIndex() + 1);
                    CaughtUp.advanced(getServer(), follower);
                    getLeaderState().onFollowerSuccessAppendEntries(follower);
                    tellWitnesses();
                }
            }
            case NOT_LEADER -> {
                LOG.info("{}: the follower is in term {}", this, reply.getTerm());
                // It takes the server's lock, which may be held while votes are stored.
                executeBlocking(() -> onFollowerTerm(reply.getTerm()));
                errors.failed();
            }
            case INCONSISTENCY -> {
                if (window.isCurrent(sent.era())) {
                    window.begin();
                    takeBackLost(sent, reply);
                    long next = nextIndex(sent, reply);
                    LOG.debug("{}: goes on from {}", this, next);
                    follower.setNextIndex(next);
                    errors.inconsistent();
                }
            }
            default -> {
                LOG.warn("{}: unknown result {}", this, reply.getResult());
                errors.failed();
            }
        }
        getLeaderState().onAppendEntriesReply(this, reply);
    }

    /// What a follower had acknowledged when a request left, it has, in its log or its state, when
    /// the request arrives. If it ends before that, it has lost entries: they no longer count
    /// towards a majority, and are sent once more. Ratis would never go back behind them.
    private void takeBackLost(Sent sent, AppendEntriesReplyProto reply) {
        long end = Math.max(reply.getNextIndex() - 1, reply.getFollowerCommit());
        if (end < sent.match() && sent.next() > sent.match()) {
            LOG.error(
                    "{}: the follower has lost its entries {} to {} after it had acknowledged them;"
                            + " they are sent again. Its disk does not keep what it synced",
                    this,
                    end + 1,
                    sent.match());
            getFollower().setSnapshotIndex(end);
        }
    }

    /// Where an inconsistent follower goes on. What it knows to be committed is in this log as
    /// well, so there is no looking for a common entry before that; a follower whose log a fetched
    /// state has replaced has none to show, and each index down to this log's start would be tried.
    private long nextIndex(Sent sent, AppendEntriesReplyProto reply) {
        long next = getNextIndexForInconsistency(sent.first(), reply.getNextIndex());
        long behindCommitted = reply.getFollowerCommit() + 1;
        return Math.max(next, Math.min(behindCommitted, getRaftLog().getNextIndex()));
    }

    private void failed(Sent sent, CisternException failure) {
        if (!window.isCurrent(sent.era()) && !sent.isHeartbeat()) {
            return;
        }
        if (errors.failed()) {
            LOG.info("{}: {}", this, failure.getMessage());
        } else {
            LOG.debug("{}: {}", this, failure.getMessage());
        }
        getFollower().getErrorState().updateErrorCount(true);
        if (failingSince == null) {
            failingSince = System.nanoTime();
        }
        tellWitnesses();
        if (sent.isHeartbeat()) {
            // Each is answered at once by a follower that lives: the connection is of no use.
            if (sent.at().elapsedTimeMs() >= heartbeatTimeout.toMillis()) {
                link.reset();
            }
        } else {
            window.begin();
            getFollower().computeNextIndex(getNextIndexForError(sent.next()));
        }
        step();
    }

    /// The follower has reached `index` by a snapshot.
    void installed(long index) {
        window.begin();
        getFollower().setSnapshotIndex(index);
        getFollower().setAttemptedToInstallSnapshot();
        getLeaderState().onFollowerCommitIndex(getFollower(), index);
        getFollower().updateNextIndex(index + 1);
    }

    /// Sets the timer, on the loop.
    private void arm(long now) {
        if (errors.isPaused(now)) {
            wakeUp.at(now, errors.pausedUntil());
            return;
        }
        long at = now + TimeUnit.MILLISECONDS.toNanos(Math.max(getHeartbeatWaitTimeMs(), 1));
        if (notice.at() != 0) {
            at = earlier(at, notice.at());
        }
        if (snapshots.retryAt() != 0) {
            at = earlier(at, snapshots.retryAt());
        }
        wakeUp.at(now, at);
    }

    private static long earlier(long a, long b) {
        return a - b < 0 ? a : b;
    }
}
