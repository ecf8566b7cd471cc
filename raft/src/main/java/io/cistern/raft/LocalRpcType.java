package io.cistern.raft;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Collection;
import java.util.Objects;
import org.apache.ratis.conf.Parameters;
import org.apache.ratis.proto.RaftProtos.AppendEntriesReplyProto;
import org.apache.ratis.proto.RaftProtos.AppendEntriesRequestProto;
import org.apache.ratis.proto.RaftProtos.InstallSnapshotReplyProto;
import org.apache.ratis.proto.RaftProtos.InstallSnapshotRequestProto;
import org.apache.ratis.proto.RaftProtos.RequestVoteReplyProto;
import org.apache.ratis.proto.RaftProtos.RequestVoteRequestProto;
import org.apache.ratis.proto.RaftProtos.StartLeaderElectionReplyProto;
import org.apache.ratis.proto.RaftProtos.StartLeaderElectionRequestProto;
import org.apache.ratis.protocol.RaftGroupId;
import org.apache.ratis.protocol.RaftPeer;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.rpc.RpcFactory;
import org.apache.ratis.rpc.RpcType;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.RaftServerRpc;
import org.apache.ratis.server.ServerFactory;

/// Ratis over a [LocalNetwork].
public final class LocalRpcType implements RpcType {
    static final String PARAMETER = "cistern.local-port";

    @Override
    public String name() {
        return LocalRpcType.class.getName();
    }

    @Override
    public RpcFactory newFactory(Parameters parameters) {
        LocalNetwork.Port port = parameters.getNonNull(PARAMETER, LocalNetwork.Port.class);
        return new Factory(this, port);
    }

    private record Factory(RpcType type, LocalNetwork.Port port) implements ServerFactory {
        @Override
        public RaftServerRpc newRaftServerRpc(RaftServer server) {
            return new Rpc(type, port, server);
        }

        @Override
        public RpcType getRpcType() {
            return type;
        }
    }

    private record Rpc(RpcType type, LocalNetwork.Port port, RaftServer server)
            implements RaftServerRpc {
        @Override
        public void start() {
            for (RaftGroupId group : server.getGroupIds()) {
                port.network()
                        .register(
                                group.toByteString(),
                                Objects.requireNonNull(server.getId()).toByteString(),
                                server);
            }
        }

        @Override
        public void close() {
            port.network().unregister(server);
        }

        @Override
        public InetSocketAddress getInetSocketAddress() {
            return port.address();
        }

        @Override
        public void addRaftPeers(Collection<RaftPeer> peers) {
            // Found by their ids.
        }

        @Override
        public void handleException(RaftPeerId serverId, Exception e, boolean reconnect) {
            // There is no connection to mend.
        }

        @Override
        public RpcType getRpcType() {
            return type;
        }

        @Override
        public RequestVoteReplyProto requestVote(RequestVoteRequestProto request)
                throws IOException {
            return port.network()
                    .send(request.getServerRequest(), target -> target.requestVote(request));
        }

        @Override
        public AppendEntriesReplyProto appendEntries(AppendEntriesRequestProto request)
                throws IOException {
            return port.network()
                    .send(request.getServerRequest(), target -> target.appendEntries(request));
        }

        @Override
        public InstallSnapshotReplyProto installSnapshot(InstallSnapshotRequestProto request)
                throws IOException {
            return port.network()
                    .send(request.getServerRequest(), target -> target.installSnapshot(request));
        }

        @Override
        public StartLeaderElectionReplyProto startLeaderElection(
                StartLeaderElectionRequestProto request) throws IOException {
            return port.network()
                    .send(
                            request.getServerRequest(),
                            target -> target.startLeaderElection(request));
        }
    }
}
