package io.cistern.raft.ratis;

import static org.awaitility.Awaitility.await;

import io.cistern.raft.net.RpcClient;
import io.cistern.raft.net.RpcIdentity;
import io.cistern.raft.net.RpcLimits;
import io.cistern.raft.net.RpcLoops;
import io.cistern.raft.net.RpcServer;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.ratis.conf.Parameters;
import org.apache.ratis.conf.RaftProperties;
import org.apache.ratis.proto.RaftProtos.AppendEntriesReplyProto;
import org.apache.ratis.proto.RaftProtos.AppendEntriesRequestProto;
import org.apache.ratis.proto.RaftProtos.LogEntryProto;
import org.apache.ratis.proto.RaftProtos.RaftRpcRequestProto;
import org.apache.ratis.proto.RaftProtos.RequestVoteReplyProto;
import org.apache.ratis.proto.RaftProtos.RequestVoteRequestProto;
import org.apache.ratis.proto.RaftProtos.StateMachineLogEntryProto;
import org.apache.ratis.protocol.ClientId;
import org.apache.ratis.protocol.RaftGroup;
import org.apache.ratis.protocol.RaftGroupId;
import org.apache.ratis.protocol.RaftPeer;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.RaftServerConfigKeys;
import org.apache.ratis.server.protocol.TermIndex;
import org.apache.ratis.server.storage.RaftStorage;
import org.apache.ratis.statemachine.impl.BaseStateMachine;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;
import org.apache.ratis.thirdparty.com.google.protobuf.MessageLite;
import org.apache.ratis.thirdparty.com.google.protobuf.Parser;
import org.apache.ratis.util.ProtoUtils;
import org.apache.ratis.util.TimeDuration;
import org.jspecify.annotations.Nullable;

/// A real replica, n1, whose other members are this test: they answer nothing, and say to n1 what
/// the test wants. The fsyncs of its log can be held back.
final class LoneReplica implements AutoCloseable {
    private static final RaftGroupId GROUP = RaftGroupId.valueOf(new UUID(4, 4));
    private static final ClientId CLIENT = ClientId.randomId();

    /// Ratis asks before each fsync of the log, and waits.
    private final class Gate extends BaseStateMachine {
        private final DataApi gate =
                new DataApi() {
                    @Override
                    public CompletableFuture<Void> flush(long index) {
                        permits.acquireUninterruptibly();
                        return CompletableFuture.completedFuture(null);
                    }
                };

        @Override
        public DataApi data() {
            return gate;
        }
    }

    private final RpcLoops loops = new RpcLoops("lone-rpc", 2);
    private final List<RpcServer> silent = new ArrayList<>();
    private final RatisTransport transport;
    private final RpcClient client;
    private final RaftServer server;
    private final AtomicLong callIds = new AtomicLong();
    private final Semaphore permits = new Semaphore(Integer.MAX_VALUE / 2);
    private final InetSocketAddress address;

    LoneReplica(Path directory, Duration electionMin, Duration electionMax) throws IOException {
        transport =
                new RatisTransport(
                        identity("n1"),
                        null,
                        loops,
                        new RatisTransport.Hooks(
                                MetadataSync.fsync((what, why) -> {
                                    throw new AssertionError(what, why);
                                }),
                                LinkFilter.OPEN,
                                Witnesses.NONE));
        address = transport.bind(anyPort());
        client = new RpcClient(identity("n2"), RpcLimits.DEFAULT, null, loops);
        List<RaftPeer> peers = new ArrayList<>();
        peers.add(RaftPeer.newBuilder().setId("n1").setAddress(address).build());
        for (String id : List.of("n2", "n3")) {
            RpcServer other = new RpcServer(identity(id), RpcLimits.DEFAULT, null, loops);
            for (int opcode = Opcode.APPEND; opcode <= Opcode.READ_INDEX; opcode++) {
                other.register(opcode, (request, responder) -> {});
            }
            silent.add(other);
            peers.add(RaftPeer.newBuilder().setId(id).setAddress(other.bind(anyPort())).build());
        }
        RaftProperties p = new RaftProperties();
        Parameters parameters = new Parameters();
        transport.configure(p, parameters);
        RaftServerConfigKeys.setStorageDir(p, List.of(directory.resolve("n1").toFile()));
        RaftServerConfigKeys.Rpc.setTimeoutMin(p, time(electionMin));
        RaftServerConfigKeys.Rpc.setTimeoutMax(p, time(electionMax));
        RaftServerConfigKeys.Rpc.setFirstElectionTimeoutMin(p, time(electionMin));
        RaftServerConfigKeys.Rpc.setFirstElectionTimeoutMax(p, time(electionMax));
        RaftServerConfigKeys.Log.setLogMetadataEnabled(p, false);
        server =
                RaftServer.newBuilder()
                        .setServerId(RaftPeerId.valueOf("n1"))
                        .setGroup(RaftGroup.valueOf(GROUP, peers))
                        .setStateMachine(new Gate())
                        .setOption(RaftStorage.StartupOption.RECOVER)
                        .setProperties(p)
                        .setParameters(parameters)
                        .build();
        server.start();
    }

    private static RpcIdentity identity(String node) {
        return new RpcIdentity(RpcIdentity.SERVICE_RAFT, new UUID(1, 1), node);
    }

    private static InetSocketAddress anyPort() {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    }

    private static TimeDuration time(Duration duration) {
        return TimeDuration.valueOf(duration.toMillis(), TimeUnit.MILLISECONDS);
    }

    RaftServer.Division division() {
        try {
            return server.getDivision(GROUP);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /// Fsyncs of the log wait from now on.
    void hold() {
        permits.drainPermits();
    }

    void awaitHeld() {
        await().pollInterval(Duration.ofMillis(2)).until(permits::hasQueuedThreads);
    }

    /// Lets one go.
    void passOne() {
        permits.release();
    }

    void passAll() {
        permits.release(Integer.MAX_VALUE / 4);
    }

    static LogEntryProto entry(long term, long index) {
        return LogEntryProto.newBuilder()
                .setTerm(term)
                .setIndex(index)
                .setStateMachineLogEntry(
                        StateMachineLogEntryProto.newBuilder()
                                .setClientId(CLIENT.toByteString())
                                .setCallId(term << 32 | index)
                                .setLogData(ByteString.copyFromUtf8("e")))
                .build();
    }

    /// From the leader of `term`.
    ///
    /// @param previous null at the beginning of the log
    CompletableFuture<AppendEntriesReplyProto> append(
            String leader, long term, @Nullable TermIndex previous, LogEntryProto... entries) {
        AppendEntriesRequestProto.Builder request =
                AppendEntriesRequestProto.newBuilder()
                        .setServerRequest(header(leader))
                        .setLeaderTerm(term)
                        .setLeaderCommit(-1)
                        .addAllEntries(List.of(entries));
        if (previous != null) {
            request.setPreviousLog(previous.toProto());
        }
        return ask(Opcode.APPEND, request.build(), AppendEntriesReplyProto.parser());
    }

    /// @param last the candidate's last entry; null for none
    CompletableFuture<RequestVoteReplyProto> vote(
            String candidate, long term, @Nullable TermIndex last) {
        RequestVoteRequestProto.Builder request =
                RequestVoteRequestProto.newBuilder()
                        .setServerRequest(header(candidate))
                        .setCandidateTerm(term);
        if (last != null) {
            request.setCandidateLastEntry(last.toProto());
        }
        return ask(Opcode.REQUEST_VOTE, request.build(), RequestVoteReplyProto.parser());
    }

    private RaftRpcRequestProto header(String from) {
        return RaftRpcRequestProto.newBuilder()
                .setRequestorId(ByteString.copyFromUtf8(from))
                .setReplyId(ByteString.copyFromUtf8("n1"))
                .setRaftGroupId(ProtoUtils.toRaftGroupIdProtoBuilder(GROUP))
                .setCallId(callIds.incrementAndGet())
                .build();
    }

    private <T> CompletableFuture<T> ask(int opcode, MessageLite request, Parser<T> parser) {
        return client.call(address, opcode, Duration.ofSeconds(30), Protos.encode(request))
                .thenApply((ByteBuf in) -> {
                    try {
                        return Protos.decode(parser, in);
                    } finally {
                        in.release();
                    }
                });
    }

    @Override
    public void close() throws IOException {
        passAll();
        server.close();
        client.close();
        transport.close();
        silent.forEach(RpcServer::close);
        loops.close();
    }
}
