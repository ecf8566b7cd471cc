package io.cistern.volume.node;

import io.cistern.raft.GroupId;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.net.RpcClient;
import io.cistern.raft.net.RpcIdentity;
import io.cistern.raft.net.RpcLimits;
import io.cistern.raft.net.RpcLoops;
import io.cistern.raft.net.TlsConfig;
import io.cistern.storage.group.GroupHost;
import io.cistern.storage.group.GroupReplica;
import io.cistern.storage.group.RemoteVolumeGroup;
import io.cistern.storage.group.VolumeGroup;
import io.cistern.volume.client.ClusterMap;
import io.cistern.volume.client.Member;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Role;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The members of all groups as one client reaches them: replicas in this process directly, others
/// over connections of its own, one per node.
final class NodeLinks implements ClusterMap, AutoCloseable {
    /// Enough for several devices with full queues to one node; each device has a bound of its own.
    static final RpcLimits LIMITS =
            RpcLimits.DEFAULT.withInFlight(16_384, 256L << 20).withMaxOutboundBytes(256L << 20);

    /// How this client presents itself on the wire.
    record Wire(RpcIdentity identity, RpcLimits limits, @Nullable TlsConfig tls, RpcLoops loops) {
        RpcClient client() {
            return new RpcClient(identity, limits, tls, loops);
        }
    }

    private final Wire wire;
    private final Catalog catalog;
    private final Duration timeout;
    private final Function<String, Location> locate;
    private final @Nullable GroupHost host;
    private final ConcurrentHashMap<InetSocketAddress, Link> links = new ConcurrentHashMap<>();
    private final ConcurrentHashMap<Key, Member> members = new ConcurrentHashMap<>();
    private volatile Known known = new Known(SystemState.EMPTY, new ConcurrentHashMap<>());

    private record Key(long group, String peer, InetSocketAddress address) {}

    /// Members by group, as derived from one state.
    private record Known(SystemState state, ConcurrentHashMap<Long, List<Member>> members) {}

    /// @param timeout for one request that nothing else ends
    /// @param host this process's replicas, null outside of a node
    NodeLinks(
            Wire wire,
            Catalog catalog,
            Duration timeout,
            Function<String, Location> locate,
            @Nullable GroupHost host) {
        this.wire = wire;
        this.catalog = catalog;
        this.timeout = timeout;
        this.locate = locate;
        this.host = host;
    }

    @Override
    public Location locate(String volume) {
        return locate.apply(volume);
    }

    @Override
    public int level() {
        return catalog.state().level();
    }

    @Override
    public List<Member> members(long group) {
        SystemState state = catalog.state();
        Known now = known;
        if (now.state != state) {
            now = new Known(state, new ConcurrentHashMap<>());
            known = now;
        }
        return now.members.computeIfAbsent(group, id -> derive(state, id));
    }

    private List<Member> derive(SystemState state, long id) {
        Group group = state.groups().get(id);
        List<Member> found = new ArrayList<>();
        if (group != null) {
            for (Replica replica : group.replicas()) {
                InetSocketAddress address = catalog.wire(replica.node());
                if (replica.role() != Role.LEARNER && !replica.witness() && address != null) {
                    Key key = new Key(id, replica.peer(), address);
                    found.add(members.computeIfAbsent(key, k -> member(k, replica)));
                }
            }
        }
        return List.copyOf(found);
    }

    private Member member(Key key, Replica replica) {
        Link link = links.computeIfAbsent(key.address, Link::new);
        return new LinkedMember(key, replica.node(), link);
    }

    @Override
    public void close() {
        links.values().forEach(Link::close);
    }

    /// A connection to a node that can be thrown away.
    private final class Link {
        private final InetSocketAddress address;
        private volatile RpcClient rpc;
        private boolean closed;

        Link(InetSocketAddress address) {
            this.address = address;
            this.rpc = wire.client();
        }

        synchronized void reset() {
            if (!closed) {
                RpcClient old = rpc;
                rpc = wire.client();
                old.close();
            }
        }

        synchronized void close() {
            closed = true;
            rpc.close();
        }
    }

    private final class LinkedMember implements Member {
        private final Key key;
        private final GroupId id;
        private final String node;
        private final Link link;
        private volatile @Nullable Remote remote;

        private record Remote(RpcClient rpc, VolumeGroup group) {}

        LinkedMember(Key key, String node, Link link) {
            this.key = key;
            this.id = new GroupId(key.group);
            this.node = node;
            this.link = link;
        }

        @Override
        public String peer() {
            return key.peer;
        }

        @Override
        public String node() {
            return node;
        }

        private @Nullable GroupReplica here() {
            RaftGroup raft = host == null ? null : host.raft(id);
            return raft != null && host != null && raft.self().id().equals(key.peer)
                    ? host.group(id)
                    : null;
        }

        @Override
        public boolean local() {
            return here() != null;
        }

        @Override
        public VolumeGroup group() {
            GroupReplica here = here();
            if (here != null) {
                return here;
            }
            Remote now = remote;
            RpcClient rpc = link.rpc;
            if (now == null || now.rpc != rpc) {
                now = new Remote(rpc, new RemoteVolumeGroup(rpc, link.address, id, timeout));
                remote = now;
            }
            return now.group;
        }

        @Override
        public long appliedIndex() {
            RaftGroup raft = host == null ? null : host.raft(id);
            return raft != null && raft.self().id().equals(key.peer) ? raft.appliedIndex() : -1;
        }

        @Override
        public long visibleIndex() {
            GroupReplica replica = here();
            return replica == null ? -1 : replica.visibleIndex();
        }

        @Override
        public void reset() {
            link.reset();
        }
    }
}
