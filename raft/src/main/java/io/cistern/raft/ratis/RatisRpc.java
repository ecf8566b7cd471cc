package io.cistern.raft.ratis;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.net.RpcConnection;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.ratis.proto.RaftProtos.AppendEntriesReplyProto;
import org.apache.ratis.proto.RaftProtos.AppendEntriesRequestProto;
import org.apache.ratis.proto.RaftProtos.InstallSnapshotReplyProto;
import org.apache.ratis.proto.RaftProtos.InstallSnapshotRequestProto;
import org.apache.ratis.proto.RaftProtos.RaftRpcRequestProto;
import org.apache.ratis.proto.RaftProtos.ReadIndexReplyProto;
import org.apache.ratis.proto.RaftProtos.ReadIndexRequestProto;
import org.apache.ratis.proto.RaftProtos.RequestVoteReplyProto;
import org.apache.ratis.proto.RaftProtos.RequestVoteRequestProto;
import org.apache.ratis.proto.RaftProtos.StartLeaderElectionReplyProto;
import org.apache.ratis.proto.RaftProtos.StartLeaderElectionRequestProto;
import org.apache.ratis.protocol.RaftGroupId;
import org.apache.ratis.protocol.RaftPeer;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.rpc.RpcType;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.RaftServerConfigKeys;
import org.apache.ratis.server.RaftServerRpc;
import org.apache.ratis.server.protocol.RaftServerAsynchronousProtocol;
import org.apache.ratis.thirdparty.com.google.protobuf.MessageLite;
import org.apache.ratis.thirdparty.com.google.protobuf.Parser;

/// One RaftServer's side of the transport: what it sends to its peers.
final class RatisRpc implements RaftServerRpc, RaftServerAsynchronousProtocol {
    private final RpcType type;
    private final RatisTransport transport;
    private final RaftServer server;
    private final Duration timeout;
    private final ConcurrentHashMap<RaftPeerId, InetSocketAddress> peers =
            new ConcurrentHashMap<>();

    /// Those of the group that this server leads.
    private final List<PipelinedLogAppender> appenders = new CopyOnWriteArrayList<>();

    RatisRpc(RpcType type, RatisTransport transport, RaftServer server) {
        this.type = type;
        this.transport = transport;
        this.server = server;
        this.timeout =
                Duration.ofMillis(
                        RaftServerConfigKeys.Rpc.requestTimeout(server.getProperties())
                                .toLong(TimeUnit.MILLISECONDS));
    }

    RatisTransport transport() {
        return transport;
    }

    void add(PipelinedLogAppender appender) {
        appenders.add(appender);
    }

    void remove(PipelinedLogAppender appender) {
        appenders.remove(appender);
    }

    /// One for each follower, while this server leads.
    List<PipelinedLogAppender> appenders() {
        return appenders;
    }

    /// How long an answer may take.
    Duration timeout() {
        return timeout;
    }

    @Override
    public void start() {
        transport.inbound().add(server);
    }

    @Override
    public void close() {
        transport.inbound().remove(server);
    }

    @Override
    public InetSocketAddress getInetSocketAddress() {
        return transport.address();
    }

    @Override
    public RpcType getRpcType() {
        return type;
    }

    @Override
    public RaftServerAsynchronousProtocol async() {
        return this;
    }

    @Override
    public void addRaftPeers(Collection<RaftPeer> added) {
        for (RaftPeer peer : added) {
            peers.put(peer.getId(), parse(peer.getAddress()));
        }
    }

    @Override
    public void handleException(RaftPeerId serverId, Exception e, boolean reconnect) {
        // Connections mend themselves.
    }

    /// An address literal is resolved here, a host name at each connect.
    private static InetSocketAddress parse(String address) {
        int colon = address.lastIndexOf(':');
        String host = address.substring(0, Math.max(colon, 0));
        int port = Integer.parseInt(address.substring(colon + 1));
        if (host.matches("[0-9.]+") || host.contains(":")) {
            try {
                return new InetSocketAddress(InetAddress.getByName(host), port);
            } catch (UnknownHostException e) {
                throw new IllegalArgumentException("peer address " + address, e);
            }
        }
        return InetSocketAddress.createUnresolved(host, port);
    }

    /// The connections to a peer.
    ///
    /// @throws CisternException NOT_FOUND if its address was never told
    PeerLink link(RaftPeerId peer) {
        InetSocketAddress address = peers.get(peer);
        if (address == null) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "the address of " + peer + " is unknown");
        }
        return transport.link(address);
    }

    /// Sends a request to the peer its header names; completes on the peer's event loop.
    CompletableFuture<ByteBuf> send(
            RpcConnection connection, int opcode, RaftRpcRequestProto header, MessageLite request) {
        return send(connection, opcode, new Envelope(header, request, timeout));
    }

    /// @param timeout how long the answer may take
    record Envelope(RaftRpcRequestProto header, MessageLite request, Duration timeout) {}

    CompletableFuture<ByteBuf> send(RpcConnection connection, int opcode, Envelope envelope) {
        LinkFilter links = transport.hooks().links();
        if (links == LinkFilter.OPEN) {
            return connection.call(opcode, envelope.timeout(), Protos.encode(envelope.request()));
        }
        String from = envelope.header().getRequestorId().toStringUtf8();
        String to = envelope.header().getReplyId().toStringUtf8();
        if (!links.passes(from, to)) {
            return lost(from, to);
        }
        return connection
                .call(opcode, envelope.timeout(), Protos.encode(envelope.request()))
                .thenCompose(answer -> {
                    if (links.passes(to, from)) {
                        return CompletableFuture.completedFuture(answer);
                    }
                    answer.release();
                    return lost(to, from);
                });
    }

    private static CompletableFuture<ByteBuf> lost(String from, String to) {
        return CompletableFuture.failedFuture(
                new CisternException(
                        ErrorCode.UNAVAILABLE, "the link from " + from + " to " + to + " is cut"));
    }

    private <T> CompletableFuture<T> ask(
            int opcode, RaftRpcRequestProto header, MessageLite request, Parser<T> parser) {
        RaftPeerId to = RaftPeerId.valueOf(header.getReplyId());
        CompletableFuture<ByteBuf> answer;
        try {
            answer = send(link(to).urgent(), opcode, header, request);
        } catch (CisternException unknownPeer) {
            return CompletableFuture.failedFuture(unknownPeer);
        }
        return answer.thenApply(in -> {
            try {
                return Protos.decode(parser, in);
            } finally {
                in.release();
            }
        });
    }

    private static <T> T await(CompletableFuture<T> answer) throws IOException {
        try {
            return answer.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while waiting for a peer");
        } catch (ExecutionException e) {
            throw new IOException(CisternException.of(e).getMessage(), e);
        }
    }

    @Override
    public RequestVoteReplyProto requestVote(RequestVoteRequestProto request) throws IOException {
        RaftGroupId group =
                RaftGroupId.valueOf(request.getServerRequest().getRaftGroupId().getId());
        Replica candidate = transport.inbound().replica(server, group);
        if (candidate.mayNotLead()) {
            throw new IOException(
                    "this replica does not stand for election: it is a witness, or its log does not"
                            + " follow its state yet");
        }
        if (!request.getPreVote()) {
            candidate.guard().candidate(request.getCandidateTerm());
        }
        return await(
                ask(
                        Opcode.REQUEST_VOTE,
                        request.getServerRequest(),
                        request,
                        RequestVoteReplyProto.parser()));
    }

    @Override
    public AppendEntriesReplyProto appendEntries(AppendEntriesRequestProto request)
            throws IOException {
        return await(appendEntriesAsync(request));
    }

    @Override
    public CompletableFuture<AppendEntriesReplyProto> appendEntriesAsync(
            AppendEntriesRequestProto request) {
        return ask(
                Opcode.APPEND,
                request.getServerRequest(),
                request,
                AppendEntriesReplyProto.parser());
    }

    @Override
    public InstallSnapshotReplyProto installSnapshot(InstallSnapshotRequestProto request)
            throws IOException {
        return await(
                ask(
                        Opcode.INSTALL_SNAPSHOT,
                        request.getServerRequest(),
                        request,
                        InstallSnapshotReplyProto.parser()));
    }

    @Override
    public StartLeaderElectionReplyProto startLeaderElection(
            StartLeaderElectionRequestProto request) throws IOException {
        return await(
                ask(
                        Opcode.START_ELECTION,
                        request.getServerRequest(),
                        request,
                        StartLeaderElectionReplyProto.parser()));
    }

    @Override
    public CompletableFuture<ReadIndexReplyProto> readIndexAsync(ReadIndexRequestProto request) {
        return ask(
                Opcode.READ_INDEX,
                request.getServerRequest(),
                request,
                ReadIndexReplyProto.parser());
    }
}
