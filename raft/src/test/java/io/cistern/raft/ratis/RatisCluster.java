package io.cistern.raft.ratis;

import static org.awaitility.Awaitility.await;

import io.cistern.raft.net.RpcIdentity;
import io.cistern.raft.net.RpcLoops;
import io.cistern.raft.net.TlsConfig;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.ratis.conf.Parameters;
import org.apache.ratis.conf.RaftProperties;
import org.apache.ratis.protocol.ClientId;
import org.apache.ratis.protocol.Message;
import org.apache.ratis.protocol.RaftClientReply;
import org.apache.ratis.protocol.RaftClientRequest;
import org.apache.ratis.protocol.RaftGroup;
import org.apache.ratis.protocol.RaftGroupId;
import org.apache.ratis.protocol.RaftPeer;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.RaftServerConfigKeys;
import org.apache.ratis.server.storage.RaftStorage;
import org.apache.ratis.statemachine.TransactionContext;
import org.apache.ratis.statemachine.impl.BaseStateMachine;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;
import org.apache.ratis.util.TimeDuration;
import org.jspecify.annotations.Nullable;

/// Bare RaftServers n1, n2, … over [RatisTransport]s, in one process.
final class RatisCluster implements AutoCloseable {
    static final RaftGroupId GROUP = RaftGroupId.valueOf(new UUID(3, 3));
    static final ClientId CLIENT = ClientId.randomId();

    /// Keeps every command that was applied.
    static final class Keeper extends BaseStateMachine {
        final List<String> applied = new CopyOnWriteArrayList<>();

        @Override
        public CompletableFuture<Message> applyTransaction(TransactionContext context) {
            var entry = context.getLogEntry();
            ByteString data = entry.getStateMachineLogEntry().getLogData();
            applied.add(data.size() > 64 ? "bytes:" + data.size() : data.toStringUtf8());
            updateLastAppliedTermIndex(entry.getTerm(), entry.getIndex());
            return CompletableFuture.completedFuture(Message.valueOf("ok"));
        }
    }

    final RpcLoops loops = new RpcLoops("cluster-rpc", 2);
    final Map<String, RatisTransport> transports = new TreeMap<>();
    final Map<String, RaftServer> servers = new TreeMap<>();
    final Map<String, Keeper> keepers = new TreeMap<>();
    final Set<String> cut = ConcurrentHashMap.newKeySet();
    final AtomicLong callIds = new AtomicLong();
    private final Path directory;
    private final @Nullable TlsConfig tls;
    private final MetadataSync sync;
    private RaftGroup group = RaftGroup.emptyGroup();

    RatisCluster(Path directory, @Nullable TlsConfig tls, MetadataSync sync) {
        this.directory = directory;
        this.tls = tls;
        this.sync = sync;
    }

    static RatisCluster start(Path directory, @Nullable TlsConfig tls, MetadataSync sync)
            throws IOException {
        RatisCluster cluster = new RatisCluster(directory, tls, sync);
        List<RaftPeer> peers = new ArrayList<>();
        for (String id : List.of("n1", "n2", "n3")) {
            InetSocketAddress bound =
                    cluster.bind(id, new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            peers.add(RaftPeer.newBuilder().setId(id).setAddress(bound).build());
        }
        cluster.group = RaftGroup.valueOf(GROUP, peers);
        for (RaftPeer peer : peers) {
            cluster.startServer(peer.getId().toString());
        }
        return cluster;
    }

    private InetSocketAddress bind(String id, InetSocketAddress wanted) {
        RatisTransport transport =
                new RatisTransport(
                        new RpcIdentity(RpcIdentity.SERVICE_RAFT, new UUID(1, 1), id),
                        tls,
                        loops,
                        new RatisTransport.Hooks(
                                sync,
                                (from, to) -> !cut.contains(from) && !cut.contains(to),
                                Witnesses.NONE));
        transports.put(id, transport);
        return transport.bind(wanted);
    }

    void startServer(String id) throws IOException {
        RaftProperties p = new RaftProperties();
        Parameters parameters = new Parameters();
        Objects.requireNonNull(transports.get(id)).configure(p, parameters);
        RaftServerConfigKeys.setStorageDir(p, List.of(directory.resolve(id).toFile()));
        RaftServerConfigKeys.Rpc.setTimeoutMin(p, millis(300));
        RaftServerConfigKeys.Rpc.setTimeoutMax(p, millis(500));
        RaftServerConfigKeys.Rpc.setFirstElectionTimeoutMin(p, millis(100));
        RaftServerConfigKeys.Rpc.setFirstElectionTimeoutMax(p, millis(300));
        RaftServerConfigKeys.Log.setLogMetadataEnabled(p, false);
        RaftServerConfigKeys.Log.Appender.setWaitTimeMin(p, TimeDuration.ZERO);
        Keeper keeper = new Keeper();
        keepers.put(id, keeper);
        RaftServer server =
                RaftServer.newBuilder()
                        .setServerId(RaftPeerId.valueOf(id))
                        .setGroup(group)
                        .setStateMachine(keeper)
                        .setOption(RaftStorage.StartupOption.RECOVER)
                        .setProperties(p)
                        .setParameters(parameters)
                        .build();
        server.start();
        servers.put(id, server);
    }

    private static TimeDuration millis(long millis) {
        return TimeDuration.valueOf(millis, TimeUnit.MILLISECONDS);
    }

    /// Closes the server and its port.
    void stop(String id) throws IOException {
        Objects.requireNonNull(servers.remove(id)).close();
        Objects.requireNonNull(transports.remove(id)).close();
    }

    void restart(String id) throws IOException {
        RaftPeer peer = Objects.requireNonNull(group.getPeer(RaftPeerId.valueOf(id)));
        String address = peer.getAddress();
        int port = Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
        bind(id, new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        startServer(id);
    }

    String leader() {
        return await().atMost(Duration.ofSeconds(20))
                .pollInterval(Duration.ofMillis(5))
                .until(this::leaderNow, id -> !id.isEmpty());
    }

    private String leaderNow() throws IOException {
        for (var server : servers.entrySet()) {
            if (!cut.contains(server.getKey())
                    && server.getValue().getDivision(GROUP).getInfo().isLeaderReady()) {
                return server.getKey();
            }
        }
        return "";
    }

    CompletableFuture<RaftClientReply> submit(String server, ByteString command)
            throws IOException {
        return Objects.requireNonNull(servers.get(server))
                .submitClientRequestAsync(
                        RaftClientRequest.newBuilder()
                                .setClientId(CLIENT)
                                .setServerId(RaftPeerId.valueOf(server))
                                .setGroupId(GROUP)
                                .setCallId(callIds.incrementAndGet())
                                .setMessage(Message.valueOf(command))
                                .setType(RaftClientRequest.writeRequestType())
                                .build());
    }

    /// Writes through whoever leads, until it is acknowledged.
    void write(String command) throws Exception {
        ByteString bytes = ByteString.copyFromUtf8(command);
        await().atMost(Duration.ofSeconds(20))
                .pollInterval(Duration.ofMillis(5))
                .until(() -> submit(leader(), bytes).get(20, TimeUnit.SECONDS).isSuccess());
    }

    /// Waits until the replica `id` has applied `commands`, in this order and without repetition.
    void awaitApplied(String id, List<String> commands) {
        Keeper keeper = Objects.requireNonNull(keepers.get(id));
        await().atMost(Duration.ofSeconds(30))
                .pollInterval(Duration.ofMillis(5))
                .until(() -> keeper.applied, commands::equals);
    }

    @Override
    public void close() throws IOException {
        for (String id : List.copyOf(servers.keySet())) {
            stop(id);
        }
        transports.values().forEach(RatisTransport::close);
        loops.close();
    }
}
