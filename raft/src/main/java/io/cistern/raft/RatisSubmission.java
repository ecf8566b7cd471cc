package io.cistern.raft;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import org.apache.ratis.protocol.ClientId;
import org.apache.ratis.protocol.Message;
import org.apache.ratis.protocol.RaftClientAsynchronousProtocol;
import org.apache.ratis.protocol.RaftClientReply;
import org.apache.ratis.protocol.RaftClientRequest;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.thirdparty.com.google.protobuf.UnsafeByteOperations;
import org.jspecify.annotations.Nullable;

/// Hands an entry to Ratis.
final class RatisSubmission {
    private RatisSubmission() {}

    /// May block, on Ratis' lock and on a full log queue.
    ///
    /// @param callId never used before with this client id: a request is sent once
    /// @return completes with Ratis' failure, or null
    static CompletableFuture<@Nullable Throwable> submit(
            RaftServer.Division division, ClientId clientId, long callId, byte[] entry) {
        RaftClientRequest request =
                RaftClientRequest.newBuilder()
                        .setClientId(clientId)
                        .setServerId(division.getId())
                        .setGroupId(division.getMemberId().getGroupId())
                        .setCallId(callId)
                        .setMessage(Message.valueOf(UnsafeByteOperations.unsafeWrap(entry)))
                        .setType(RaftClientRequest.writeRequestType())
                        .build();
        try {
            // The server's own submit would pass this through another thread and wait for it.
            return ((RaftClientAsynchronousProtocol) division)
                    .submitClientRequestAsync(request)
                    .thenApply(RaftClientReply::getException);
        } catch (IOException e) {
            return CompletableFuture.completedFuture(e);
        }
    }
}
