package io.cistern.raft.ratis;

import io.cistern.block.CisternException;
import io.netty.buffer.ByteBuf;
import java.util.concurrent.TimeUnit;
import org.apache.ratis.proto.RaftProtos.InstallSnapshotReplyProto;
import org.apache.ratis.proto.RaftProtos.InstallSnapshotRequestProto;
import org.apache.ratis.proto.RaftProtos.InstallSnapshotResult;
import org.apache.ratis.server.leader.FollowerInfo;
import org.apache.ratis.server.protocol.TermIndex;
import org.apache.ratis.server.raftlog.RaftLog;
import org.apache.ratis.statemachine.SnapshotInfo;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Tells a follower whose next entry the leader no longer has to fetch the state by other means,
/// and asks again until it has. Confined to the appender's event loop.
final class SnapshotNotifier {
    private static final Logger LOG = LoggerFactory.getLogger(SnapshotNotifier.class);
    private static final long ASK_AGAIN_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final PipelinedLogAppender appender;
    private final RatisRpc rpc;
    private final PeerLink link;
    private boolean asking;
    private long retryAt;

    SnapshotNotifier(PipelinedLogAppender appender, RatisRpc rpc, PeerLink link) {
        this.appender = appender;
        this.rpc = rpc;
        this.link = link;
    }

    /// True while entries would be of no use to the follower; sees to it that it is told.
    boolean blocksEntries(long now) {
        if (asking) {
            return true;
        }
        TermIndex first = first();
        if (first == null) {
            retryAt = 0;
            return false;
        }
        if (retryAt == 0 || retryAt - now <= 0) {
            retryAt = 0;
            asking = true;
            LOG.debug("{}: the follower needs a snapshot, the log begins at {}", appender, first);
            // Making the request takes the server's lock.
            appender.executeBlocking(() -> {
                InstallSnapshotRequestProto request =
                        appender.newInstallSnapshotNotificationRequest(first);
                appender.execute(() -> send(request));
            });
        }
        return true;
    }

    /// The position behind which the follower would go on; null if it needs nothing.
    ///
    /// A witness has no state to fetch: it takes on the position before this one as it is told. So
    /// it is told of the leader's checkpoint, of which the leader knows the term.
    private @Nullable TermIndex first() {
        TermIndex first = goesOnFromState() ? null : appender.shouldNotifyToInstallSnapshot();
        SnapshotInfo own = appender.getServer().getStateMachine().getLatestSnapshot();
        return first == null || own == null || !appender.isWitness()
                ? first
                : TermIndex.valueOf(own.getTerm(), own.getIndex() + 1);
    }

    /// True where the follower has said that its state ends with the entry before the next one, and
    /// the log begins there or before. Nothing need be compared, and Ratis sends entries without
    /// the position before them; but where the log begins with the next entry, it misses the term
    /// of the one before, and would have the follower asked for ever, which has the state already.
    private boolean goesOnFromState() {
        FollowerInfo follower = appender.getFollower();
        long before = follower.getNextIndex() - 1;
        return follower.getSnapshotIndex() == before
                && follower.getMatchIndex() == before
                && before > RaftLog.INVALID_LOG_INDEX
                && follower.getNextIndex() >= appender.getRaftLog().getStartIndex()
                && follower.hasAttemptedToInstallSnapshot();
    }

    /// When to ask again, by [System#nanoTime]; 0 if nothing is to be asked.
    long retryAt() {
        return retryAt;
    }

    private void send(InstallSnapshotRequestProto request) {
        appender.getFollower().updateLastRpcSendTime(false);
        rpc.send(link.urgent(), Opcode.INSTALL_SNAPSHOT, request.getServerRequest(), request)
                .whenComplete(this::answered);
    }

    private void answered(@Nullable ByteBuf answer, @Nullable Throwable failure) {
        asking = false;
        retryAt = System.nanoTime() + ASK_AGAIN_NANOS;
        if (answer == null) {
            LOG.debug("{}: cannot tell the follower to fetch a snapshot", appender, failure);
            appender.step();
            return;
        }
        InstallSnapshotReplyProto reply;
        try {
            reply = Protos.decode(InstallSnapshotReplyProto.parser(), answer);
        } catch (CisternException corrupt) {
            LOG.warn("{}: {}", appender, corrupt.getMessage());
            appender.step();
            return;
        } finally {
            answer.release();
        }
        if (appender.isRunning()) {
            appender.getFollower().updateLastRpcResponseTime();
            replied(reply);
        }
        appender.step();
    }

    private void replied(InstallSnapshotReplyProto reply) {
        switch (reply.getResult()) {
            case SUCCESS -> {
                appender.getFollower().setAttemptedToInstallSnapshot();
                retryAt = 0;
            }
            case ALREADY_INSTALLED -> {
                appender.installed(reply.getSnapshotIndex());
                retryAt = 0;
            }
            case SNAPSHOT_INSTALLED -> {
                LOG.info(
                        "{}: the follower has a snapshot at {}",
                        appender,
                        reply.getSnapshotIndex());
                appender.installed(reply.getSnapshotIndex());
                retryAt = 0;
                if (reply.getSnapshotIndex() + 1 >= appender.getRaftLog().getStartIndex()) {
                    tellStateMachine(InstallSnapshotResult.SUCCESS, reply.getSnapshotIndex());
                }
            }
            case SNAPSHOT_UNAVAILABLE -> {
                appender.getFollower().setAttemptedToInstallSnapshot();
                tellStateMachine(
                        InstallSnapshotResult.SNAPSHOT_UNAVAILABLE, RaftLog.INVALID_LOG_INDEX);
            }
            case NOT_LEADER ->
                    appender.executeBlocking(() -> appender.onFollowerTerm(reply.getTerm()));
            case IN_PROGRESS -> LOG.debug("{}: the follower is fetching", appender);
            default -> LOG.warn("{}: the follower answers {}", appender, reply.getResult());
        }
    }

    private void tellStateMachine(InstallSnapshotResult result, long index) {
        appender.executeBlocking(() ->
                appender.getServer()
                        .getStateMachine()
                        .event()
                        .notifySnapshotInstalled(result, index, appender.getFollower().getPeer()));
    }
}
