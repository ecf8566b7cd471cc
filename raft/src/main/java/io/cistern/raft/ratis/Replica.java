package io.cistern.raft.ratis;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.net.Responder;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import org.apache.ratis.proto.RaftProtos.AppendEntriesReplyProto;
import org.apache.ratis.proto.RaftProtos.AppendEntriesReplyProto.AppendResult;
import org.apache.ratis.proto.RaftProtos.AppendEntriesRequestProto;
import org.apache.ratis.proto.RaftProtos.InstallSnapshotReplyProto;
import org.apache.ratis.proto.RaftProtos.InstallSnapshotRequestProto;
import org.apache.ratis.proto.RaftProtos.InstallSnapshotResult;
import org.apache.ratis.proto.RaftProtos.ReadIndexRequestProto;
import org.apache.ratis.proto.RaftProtos.RequestVoteReplyProto;
import org.apache.ratis.proto.RaftProtos.RequestVoteRequestProto;
import org.apache.ratis.proto.RaftProtos.StartLeaderElectionRequestProto;
import org.apache.ratis.proto.RaftProtos.TermIndexProto;
import org.apache.ratis.protocol.RaftGroupId;
import org.apache.ratis.server.DivisionInfo;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.statemachine.SnapshotInfo;
import org.apache.ratis.thirdparty.com.google.protobuf.MessageLite;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One replica as the target of requests.
///
/// Ratis' handlers block: on the replica's lock, on the fsync of a vote, on a full log queue, on a
/// leader stepping down. So they run on pool threads, one at a time: appends and votes in the order
/// of their arrival, all else beside them. Only an append from the leader this replica already
/// follows, in the term it is already in, that continues the log, runs on the event loop itself: it
/// takes the lock for microseconds and queues its entries, fewer than fill the log's queue, because
/// the leader sends no more than [AppendWindow#MAX_IN_FLIGHT_BYTES] ahead.
///
/// Three things in Ratis (3.3.0) would let an entry count that must not (ADR 66):
/// - It checks the term of an append under its lock and puts the entries into the log after it, so
///   a vote between the two is given for a log without them. Hence one strand for both.
/// - It answers at once for entries that are in the log already, synced or not, and, after it has
///   cut off a part of its log that conflicted, for those that take the place of it. Hence the
///   answer waits until the log says that they are synced.
/// - What the log says is too high from when it was told to cut until it has. Hence nothing else is
///   looked at until then.
final class Replica {
    private static final Logger LOG = LoggerFactory.getLogger(Replica.class);

    /// Answers to appends are held back while more than this waits to be applied.
    private static final long MAX_BACKLOG_BYTES = 16L << 20;

    /// Well below the time-out of a request.
    private static final long MAX_HOLD_NANOS = TimeUnit.SECONDS.toNanos(1);

    private static final long HOLD_MILLIS = 2;

    private static final long CUT_LOOK_MILLIS = 200;

    /// A leader gives up sooner, and sends what was not answered again.
    private static final long MAX_UNSYNCED_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final RaftServer server;
    private final RaftServer.Division division;
    private final TermGuard guard;

    /// Null where this replica keeps data.
    private final @Nullable Witnesses witness;

    private final ExecutorService blocking;

    /// Appends, votes, and elections that a leader asks for.
    private final Strand appends;

    private final Strand control;
    private final Backlog backlog = new Backlog();

    /// The largest first index any leader's request to install has named. On `control` only.
    private @Nullable TermIndexProto installFrom;

    /// An install was begun, and Ratis has told no leader yet that it ended. Written on `control`.
    private volatile boolean installUnsettled;

    Replica(
            RaftServer server,
            RaftServer.Division division,
            TermGuard guard,
            @Nullable Witnesses witness,
            ExecutorService blocking) {
        this.server = server;
        this.division = division;
        this.guard = guard;
        this.witness = witness;
        this.blocking = blocking;
        this.appends = new Strand(blocking);
        this.control = new Strand(blocking);
    }

    /// Null if `server` has no such group.
    static @Nullable Replica of(
            RaftServer server,
            RaftGroupId group,
            RatisTransport.Hooks hooks,
            ExecutorService blocking) {
        RaftServer.Division division;
        try {
            division = server.getDivision(group);
        } catch (IOException unknownGroup) {
            return null;
        }
        TermGuard guard =
                new TermGuard(
                        division.getRaftStorage().getStorageDir().getCurrentDir().toPath(),
                        hooks.sync());
        boolean witness = hooks.witnesses().isWitness(division.getId().toString());
        return new Replica(server, division, guard, witness ? hooks.witnesses() : null, blocking);
    }

    boolean isOf(RaftServer other) {
        return server == other;
    }

    TermGuard guard() {
        return guard;
    }

    void append(AppendEntriesRequestProto received, Responder responder) {
        AppendEntriesRequestProto request =
                witness == null ? received : WitnessEntries.of(witness, received, Long.MAX_VALUE);
        Runnable task = () -> appendNow(request, responder);
        if (isSteady(request) && !overlaps(request)) {
            appends.executeHere(task);
        } else {
            appends.execute(task);
        }
    }

    private boolean isSteady(AppendEntriesRequestProto request) {
        DivisionInfo info = division.getInfo();
        return info.getCurrentTerm() == request.getLeaderTerm()
                && (info.isFollower() || info.isListener())
                && info.getLeaderId() != null
                && info.getLeaderId()
                        .toByteString()
                        .equals(request.getServerRequest().getRequestorId());
    }

    /// True where some of the entries, or others in their place, are in the log already.
    private boolean overlaps(AppendEntriesRequestProto request) {
        return request.getEntriesCount() > 0
                && request.getEntries(0).getIndex() < division.getRaftLog().getNextIndex();
    }

    private void appendNow(AppendEntriesRequestProto request, Responder responder) {
        int entries = request.getEntriesCount();
        boolean overlaps = overlaps(request);
        if (entries > 0) {
            backlog.add(
                    request.getEntries(0).getIndex(),
                    request.getEntries(entries - 1).getIndex(),
                    request.getSerializedSize());
        }
        CompletableFuture<AppendEntriesReplyProto> answer;
        try {
            answer = server.appendEntriesAsync(request);
        } catch (IOException | RuntimeException e) {
            responder.fail(failure(e));
            return;
        }
        answer.whenComplete((reply, failure) -> {
            if (failure != null) {
                responder.fail(failure(failure));
            } else {
                answerInTime(new Appended(request, reply, System.nanoTime()), responder);
            }
        });
        if (overlaps) {
            awaitCut(request, answer);
        }
    }

    /// Waits until what conflicted is cut off. Where a state has been installed over it meanwhile,
    /// Ratis forgets the answer.
    private void awaitCut(
            AppendEntriesRequestProto request, CompletableFuture<AppendEntriesReplyProto> answer) {
        long first = request.getEntries(0).getIndex();
        while (division.getInfo().isAlive() && division.getRaftLog().getStartIndex() <= first) {
            try {
                answer.get(CUT_LOOK_MILLIS, TimeUnit.MILLISECONDS);
                return;
            } catch (TimeoutException e) {
                LOG.debug("{}: waiting until entry {} is replaced", division.getMemberId(), first);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            } catch (ExecutionException e) {
                return; // answered
            }
        }
    }

    /// @param at [System#nanoTime] when Ratis had answered
    private record Appended(
            AppendEntriesRequestProto request, AppendEntriesReplyProto reply, long at) {
        /// Whether it says that entries are stored.
        boolean stored() {
            return request.getEntriesCount() > 0 && reply.getResult() == AppendResult.SUCCESS;
        }
    }

    /// Holds the answer back until the entries are synced; and while too much waits to be applied:
    /// the leader sends no more than its window beyond what was answered. That not for long, so
    /// that it does not take this replica for dead.
    private void answerInTime(Appended appended, Responder responder) {
        if (appended.stored()) {
            long waited = System.nanoTime() - appended.at;
            boolean synced =
                    division.getRaftLog().getFlushIndex() >= appended.reply.getMatchIndex();
            if (!synced && waited >= MAX_UNSYNCED_NANOS) {
                responder.fail(
                        new CisternException(
                                ErrorCode.UNAVAILABLE,
                                "entry " + appended.reply.getMatchIndex() + " is not synced yet"));
                return;
            }
            if (!synced || isBehind() && waited < MAX_HOLD_NANOS) {
                CompletableFuture.delayedExecutor(HOLD_MILLIS, TimeUnit.MILLISECONDS, blocking)
                        .execute(() -> answerInTime(appended, responder));
                return;
            }
        }
        answerAppend(appended.request, appended.reply, responder);
    }

    private boolean isBehind() {
        long applied = division.getInfo().getLastAppliedIndex();
        long committed = division.getRaftLog().getLastCommittedIndex();
        return backlog.bytes(applied, committed) > MAX_BACKLOG_BYTES;
    }

    private void answerAppend(
            AppendEntriesRequestProto request, AppendEntriesReplyProto reply, Responder responder) {
        if (installUnsettled && reply.getResult() == AppendResult.INCONSISTENCY) {
            control.execute(() -> settle(request));
        }
        // The reply may still name the term before this append.
        long term =
                reply.getResult() == AppendResult.NOT_LEADER
                        ? reply.getTerm()
                        : Math.max(reply.getTerm(), request.getLeaderTerm());
        if (guard.isDurable(term)) {
            responder.ok(Protos.encode(reply));
            return;
        }
        blocking.execute(() -> {
            guard.entered(term);
            responder.ok(Protos.encode(reply));
        });
    }

    void vote(RequestVoteRequestProto request, Responder responder) {
        appends.execute(() -> {
            RequestVoteReplyProto reply;
            try {
                reply = server.requestVote(request);
            } catch (IOException | RuntimeException e) {
                responder.fail(failure(e));
                return;
            }
            if (request.getPreVote()) {
                responder.ok(Protos.encode(reply));
            } else {
                control.execute(() -> answer(responder, () -> voteDurable(reply)));
            }
        });
    }

    private RequestVoteReplyProto voteDurable(RequestVoteReplyProto reply) {
        if (reply.getServerReply().getSuccess()) {
            guard.voted(reply.getTerm());
        } else {
            guard.entered(reply.getTerm());
        }
        return reply;
    }

    void startElection(StartLeaderElectionRequestProto request, Responder responder) {
        if (witness != null) {
            responder.fail(new CisternException(ErrorCode.INVALID, "a witness never leads"));
            return;
        }
        appends.execute(() -> answer(responder, () -> server.startLeaderElection(request)));
    }

    /// True where this replica must not become the leader.
    boolean mayNotLead() {
        return witness != null || logEndsBeforeState();
    }

    /// True from the moment at which a state has been installed until Ratis' log is told of it, see
    /// [#settle]. Others would vote for this replica by what its state holds; as a leader it would
    /// then append behind the old end of its log, and never get anywhere. Nothing is lost by not
    /// standing: what the state holds is committed, so a majority of the others has it in its log.
    private boolean logEndsBeforeState() {
        SnapshotInfo state = division.getStateMachine().getLatestSnapshot();
        return state != null && division.getRaftLog().getNextIndex() <= state.getIndex();
    }

    void installSnapshot(InstallSnapshotRequestProto request, Responder responder) {
        control.execute(() -> answer(responder, () -> install(raised(request))));
    }

    /// On `control`.
    private InstallSnapshotReplyProto install(InstallSnapshotRequestProto request)
            throws IOException {
        InstallSnapshotReplyProto reply = server.installSnapshot(request);
        if (reply.getResult() != InstallSnapshotResult.NOT_LEADER) {
            installUnsettled = reply.getResult() == InstallSnapshotResult.IN_PROGRESS;
        }
        return positioned(reply);
    }

    /// That nothing lacks here tells a leader nothing about where to go on. If an answer to it was
    /// lost, and the entry it would send next is purged, it asks the same for ever. So it is told
    /// how far this replica is, as one that has installed that is.
    private InstallSnapshotReplyProto positioned(InstallSnapshotReplyProto reply) {
        long committed = division.getRaftLog().getLastCommittedIndex();
        if (reply.getResult() != InstallSnapshotResult.SNAPSHOT_UNAVAILABLE || committed < 0) {
            return reply;
        }
        return reply.toBuilder()
                .setResult(InstallSnapshotResult.ALREADY_INSTALLED)
                .setSnapshotIndex(committed)
                .build();
    }

    /// Ratis goes on behind an installed state only when a leader asks for it once more, and takes
    /// no entry before. If the leader that asked is gone, and the log of the next one reaches back
    /// far enough, that one has no reason to ask. So the question is put here in its name.
    private void settle(AppendEntriesRequestProto append) {
        TermIndexProto first = installFrom;
        if (!installUnsettled || first == null) {
            return;
        }
        InstallSnapshotRequestProto question =
                InstallSnapshotRequestProto.newBuilder()
                        .setServerRequest(append.getServerRequest())
                        .setLeaderTerm(append.getLeaderTerm())
                        .setNotification(
                                InstallSnapshotRequestProto.NotificationProto.newBuilder()
                                        .setFirstAvailableTermIndex(first))
                        .build();
        try {
            install(question);
        } catch (IOException | RuntimeException e) {
            LOG.info("{}: cannot go on behind an installed state", division.getMemberId(), e);
        }
    }

    /// Ratis forgets that it told the state machine to install only when the leader asks again. If
    /// that leader is gone, and the log of the new one begins earlier, Ratis refuses its request
    /// for good ("is not eligible"). The state being installed reaches further than the new leader
    /// asks for, so its request stands for the earlier one.
    private InstallSnapshotRequestProto raised(InstallSnapshotRequestProto request) {
        if (!request.hasNotification()) {
            return request;
        }
        TermIndexProto first = request.getNotification().getFirstAvailableTermIndex();
        TermIndexProto before = installFrom;
        if (before == null || first.getIndex() >= before.getIndex()) {
            installFrom = first;
            return request;
        }
        return request.toBuilder()
                .setNotification(
                        request.getNotification().toBuilder().setFirstAvailableTermIndex(before))
                .build();
    }

    void readIndex(ReadIndexRequestProto request, Responder responder) {
        control.execute(() -> {
            try {
                server.readIndexAsync(request).whenComplete(completer(responder));
            } catch (IOException | RuntimeException e) {
                responder.fail(failure(e));
            }
        });
    }

    private interface Call {
        MessageLite run() throws IOException;
    }

    private static void answer(Responder responder, Call call) {
        MessageLite reply;
        try {
            reply = call.run();
        } catch (IOException | RuntimeException e) {
            responder.fail(failure(e));
            return;
        }
        responder.ok(Protos.encode(reply));
    }

    private static BiConsumer<MessageLite, @Nullable Throwable> completer(Responder responder) {
        return (reply, failure) -> {
            if (failure != null) {
                responder.fail(failure(failure));
            } else {
                responder.ok(Protos.encode(reply));
            }
        };
    }

    /// Whatever Ratis throws at a peer (starting, closing, paused): it may try again.
    private static CisternException failure(Throwable e) {
        Throwable cause =
                e instanceof CompletionException && e.getCause() != null ? e.getCause() : e;
        return new CisternException(ErrorCode.UNAVAILABLE, String.valueOf(cause), cause);
    }
}
