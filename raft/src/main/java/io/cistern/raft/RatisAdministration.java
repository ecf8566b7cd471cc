package io.cistern.raft;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.apache.ratis.proto.RaftProtos.RaftPeerRole;
import org.apache.ratis.protocol.ClientId;
import org.apache.ratis.protocol.RaftClientReply;
import org.apache.ratis.protocol.RaftGroupId;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.protocol.SetConfigurationRequest;
import org.apache.ratis.protocol.TransferLeadershipRequest;
import org.apache.ratis.server.RaftServer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Membership changes and leadership transfers of one group. Ratis' calls block, so each is made on
/// a thread of `executor`.
final class RatisAdministration {
    private static final long TRANSFER_PAUSE_MILLIS = 20;

    private static final Logger log = LoggerFactory.getLogger(RatisAdministration.class);

    private final RaftServer server;
    private final RaftGroupId group;
    private final RaftTimings timings;
    private final LeadershipTracker leadership;
    private final Executor executor;
    private final ClientId clientId = ClientId.randomId();

    RatisAdministration(
            RaftServer server,
            RaftGroupId group,
            RaftTimings timings,
            LeadershipTracker leadership,
            Executor executor) {
        this.server = server;
        this.group = group;
        this.timings = timings;
        this.leadership = leadership;
        this.executor = executor;
    }

    CompletableFuture<Void> setMembers(List<Peer> voters, List<Peer> listeners) {
        SetConfigurationRequest.Arguments arguments =
                SetConfigurationRequest.Arguments.newBuilder()
                        .setServersInNewConf(RatisPeers.toRatis(voters, RaftPeerRole.FOLLOWER))
                        .setListenersInNewConf(RatisPeers.toRatis(listeners, RaftPeerRole.LISTENER))
                        .build();
        SetConfigurationRequest request =
                new SetConfigurationRequest(clientId, server.getId(), group, 0, arguments);
        return CompletableFuture.runAsync(
                () ->
                        call(
                                "changing the members of " + group,
                                () -> server.setConfigurationAsync(request)),
                executor);
    }

    CompletableFuture<Void> transferLeadership(String peerId, Duration timeout) {
        leadership.transferBegins();
        return CompletableFuture.runAsync(() -> transfer(peerId, timeout), executor)
                .whenComplete((nothing, failure) -> leadership.transferEnded());
    }

    /// Ratis asks the next leader once, and refuses writes until its time-out even if that failed
    /// at once. So it is given little time, and asked again.
    private void transfer(String peerId, Duration timeout) {
        String what = "handing leadership of " + group + " to " + peerId;
        long attemptMillis = timings.electionMax().toMillis() * 2;
        long deadline = System.nanoTime() + timeout.toNanos();
        while (true) {
            long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
            TransferLeadershipRequest request =
                    new TransferLeadershipRequest(
                            clientId,
                            server.getId(),
                            group,
                            0,
                            RaftPeerId.valueOf(peerId),
                            Math.clamp(left, 1, attemptMillis));
            try {
                call(what, () -> server.transferLeadershipAsync(request));
                return;
            } catch (CisternException e) {
                if (e.code() != ErrorCode.UNAVAILABLE
                        || left <= attemptMillis
                        || !leadership.current().ready()) {
                    throw e;
                }
                log.debug("{}; trying again", e.getMessage());
                pause();
            }
        }
    }

    /// A refusal comes at once, and asking again at once brings the same.
    private static void pause() {
        try {
            Thread.sleep(TRANSFER_PAUSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted: the node stops", e);
        }
    }

    private interface Call {
        CompletableFuture<RaftClientReply> make() throws IOException;
    }

    private static void call(String what, Call call) {
        try {
            RaftClientReply reply = call.make().join();
            if (!reply.isSuccess()) {
                throw ControlFailures.of(what, reply.getException());
            }
        } catch (IOException | RuntimeException e) {
            throw ControlFailures.of(what, e);
        }
    }
}
