package io.cistern.raft.ratis;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.net.Responder;
import io.cistern.raft.net.RpcHandler;
import io.cistern.raft.net.RpcServer;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.function.Function;
import org.apache.ratis.proto.RaftProtos.AppendEntriesRequestProto;
import org.apache.ratis.proto.RaftProtos.InstallSnapshotRequestProto;
import org.apache.ratis.proto.RaftProtos.RaftRpcRequestProto;
import org.apache.ratis.proto.RaftProtos.ReadIndexRequestProto;
import org.apache.ratis.proto.RaftProtos.RequestVoteRequestProto;
import org.apache.ratis.proto.RaftProtos.StartLeaderElectionRequestProto;
import org.apache.ratis.protocol.RaftGroupId;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;
import org.apache.ratis.thirdparty.com.google.protobuf.Parser;
import org.jspecify.annotations.Nullable;

/// Hands requests to the replicas of this node.
final class Inbound {
    private record Key(ByteString group, ByteString peer) {}

    private interface Service<T> {
        void serve(Replica replica, T request, Responder responder);
    }

    private final RatisTransport.Hooks hooks;
    private final ExecutorService blocking;
    private final Set<RaftServer> servers = ConcurrentHashMap.newKeySet();
    private final ConcurrentHashMap<Key, Replica> replicas = new ConcurrentHashMap<>();

    Inbound(RatisTransport.Hooks hooks, ExecutorService blocking) {
        this.hooks = hooks;
        this.blocking = blocking;
    }

    void register(RpcServer rpc) {
        rpc.register(
                Opcode.APPEND,
                handler(
                        AppendEntriesRequestProto.parser(),
                        AppendEntriesRequestProto::getServerRequest,
                        Replica::append));
        rpc.register(
                Opcode.REQUEST_VOTE,
                handler(
                        RequestVoteRequestProto.parser(),
                        RequestVoteRequestProto::getServerRequest,
                        Replica::vote));
        rpc.register(
                Opcode.START_ELECTION,
                handler(
                        StartLeaderElectionRequestProto.parser(),
                        StartLeaderElectionRequestProto::getServerRequest,
                        Replica::startElection));
        rpc.register(
                Opcode.INSTALL_SNAPSHOT,
                handler(
                        InstallSnapshotRequestProto.parser(),
                        InstallSnapshotRequestProto::getServerRequest,
                        Replica::installSnapshot));
        rpc.register(
                Opcode.READ_INDEX,
                handler(
                        ReadIndexRequestProto.parser(),
                        ReadIndexRequestProto::getServerRequest,
                        Replica::readIndex));
    }

    private <T> RpcHandler handler(
            Parser<T> parser, Function<T, RaftRpcRequestProto> header, Service<T> service) {
        return (in, responder) -> {
            T request = Protos.decode(parser, in);
            Key key = key(header.apply(request));
            Replica known = replicas.get(key);
            if (known != null) {
                service.serve(known, request, responder);
                return;
            }
            // Asking a server for a group may wait until the group has started.
            blocking.execute(() -> {
                Replica found = find(key);
                if (found == null) {
                    responder.fail(unknown(key));
                } else {
                    service.serve(found, request, responder);
                }
            });
        };
    }

    private static Key key(RaftRpcRequestProto header) {
        return new Key(header.getRaftGroupId().getId(), header.getReplyId());
    }

    private static CisternException unknown(Key key) {
        return new CisternException(
                ErrorCode.NOT_FOUND,
                "no replica " + key.peer().toStringUtf8() + " of that group is open on this node");
    }

    /// The replica of `group` in `server`. May wait until the group has started.
    ///
    /// @throws CisternException NOT_FOUND
    Replica replica(RaftServer server, RaftGroupId group) {
        RaftPeerId peer = server.getId();
        Key key = new Key(group.toByteString(), peer.toByteString());
        Replica replica = find(key);
        if (replica == null) {
            throw unknown(key);
        }
        return replica;
    }

    private @Nullable Replica find(Key key) {
        Replica known = replicas.get(key);
        if (known != null) {
            return known;
        }
        RaftGroupId group = RaftGroupId.valueOf(key.group());
        for (RaftServer server : servers) {
            if (server.getId().toByteString().equals(key.peer())) {
                Replica replica = Replica.of(server, group, hooks, blocking);
                if (replica != null) {
                    Replica other = replicas.putIfAbsent(key, replica);
                    return other != null ? other : replica;
                }
            }
        }
        return null;
    }

    void add(RaftServer server) {
        servers.add(server);
    }

    void remove(RaftServer server) {
        servers.remove(server);
        replicas.values().removeIf(replica -> replica.isOf(server));
    }
}
