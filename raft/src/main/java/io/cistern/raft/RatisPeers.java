package io.cistern.raft;

import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.apache.ratis.proto.RaftProtos.RaftPeerProto;
import org.apache.ratis.proto.RaftProtos.RaftPeerRole;
import org.apache.ratis.protocol.RaftGroupId;
import org.apache.ratis.protocol.RaftPeer;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.server.RaftConfiguration;

/// Between this package's words and Ratis'.
final class RatisPeers {
    private static final long GROUP_UUID_HIGH = 0x6369_7374_6572_6e00L; // "cistern\0"

    private RatisPeers() {}

    static RaftGroupId groupId(GroupId id) {
        return RaftGroupId.valueOf(new UUID(GROUP_UUID_HIGH, id.value()));
    }

    static RaftPeer toRatis(Peer peer, RaftPeerRole role) {
        InetSocketAddress address = peer.address();
        return RaftPeer.newBuilder()
                .setId(RaftPeerId.valueOf(peer.id()))
                .setAddress(address.getHostString() + ":" + address.getPort())
                .setPriority(peer.priority())
                .setStartupRole(role)
                .build();
    }

    static List<RaftPeer> toRatis(List<Peer> peers, RaftPeerRole role) {
        return peers.stream().map(peer -> toRatis(peer, role)).toList();
    }

    /// Voters and listeners.
    static List<Peer> members(RaftConfiguration configuration) {
        List<Peer> members = new ArrayList<>();
        configuration.getAllPeers().forEach(peer -> members.add(fromRatis(peer)));
        configuration
                .getAllPeers(RaftPeerRole.LISTENER)
                .forEach(peer -> members.add(fromRatis(peer)));
        return List.copyOf(members);
    }

    static Peer fromRatis(RaftPeer peer) {
        return peer(peer.getId().toString(), peer.getAddress(), peer.getPriority());
    }

    static Peer fromProto(RaftPeerProto peer) {
        return peer(peer.getId().toStringUtf8(), peer.getAddress(), peer.getPriority());
    }

    private static Peer peer(String id, String address, int priority) {
        int colon = address.lastIndexOf(':');
        InetSocketAddress socket =
                new InetSocketAddress(
                        address.substring(0, colon),
                        Integer.parseInt(address.substring(colon + 1)));
        return new Peer(id, nodeOf(id), socket, priority);
    }

    /// The node's name in a peer id such as `n1.3`.
    static String nodeOf(String peerId) {
        int dot = peerId.lastIndexOf('.');
        return dot <= 0 ? peerId : peerId.substring(0, dot);
    }
}
