package io.cistern.raft.ratis;

import org.apache.ratis.conf.Parameters;
import org.apache.ratis.rpc.RpcFactory;
import org.apache.ratis.rpc.RpcType;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.RaftServerRpc;
import org.apache.ratis.server.ServerFactory;
import org.apache.ratis.server.leader.FollowerInfo;
import org.apache.ratis.server.leader.LeaderState;
import org.apache.ratis.server.leader.LogAppender;

/// Ratis' name for this transport. Ratis creates it by its class name (`raft.rpc.type`) and finds
/// the [RatisTransport] in the server's Parameters; [RatisTransport#configure] sets both.
public final class CisternRpcType implements RpcType {
    /// The Parameters key of the [RatisTransport].
    public static final String PARAMETER = "cistern.raft.transport";

    @Override
    public String name() {
        return CisternRpcType.class.getName();
    }

    @Override
    public RpcFactory newFactory(Parameters parameters) {
        return new Factory(this, parameters.getNonNull(PARAMETER, RatisTransport.class));
    }

    private record Factory(RpcType type, RatisTransport transport) implements ServerFactory {
        @Override
        public RpcType getRpcType() {
            return type;
        }

        @Override
        public RaftServerRpc newRaftServerRpc(RaftServer server) {
            return new RatisRpc(type, transport, server);
        }

        @Override
        public LogAppender newLogAppender(
                RaftServer.Division server, LeaderState state, FollowerInfo follower) {
            return new PipelinedLogAppender(server, state, follower);
        }
    }
}
