package io.cistern.raft.ratis;

import io.cistern.raft.net.RpcIdentity;
import io.cistern.raft.net.RpcLoops;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.ratis.RaftConfigKeys;
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
import org.apache.ratis.rpc.SupportedRpcType;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.RaftServerConfigKeys;
import org.apache.ratis.statemachine.TransactionContext;
import org.apache.ratis.statemachine.impl.BaseStateMachine;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;
import org.apache.ratis.util.SizeInBytes;
import org.apache.ratis.util.TimeDuration;

/// Measures how many 4 KiB entries a second three bare RaftServers replicate, with 1 and with 32
/// outstanding: the floor under everything that is built on them.
///
/// `RaftWrites DIRECTORY [seconds per step]` runs all three in this JVM. `RaftWrites DIRECTORY
/// SECONDS INDEX PORT1,PORT2,PORT3` runs server INDEX (0 to 2) alone; start three, on loopback;
/// whichever leads measures, then all run until they are ended.
public final class RaftWrites {
    private static final RaftGroupId GROUP = RaftGroupId.valueOf(new UUID(1, 1));
    private static final ClientId CLIENT = ClientId.randomId();
    private static final AtomicLong CALLS = new AtomicLong();

    private RaftWrites() {}

    /// Applies by doing nothing.
    private static final class Sink extends BaseStateMachine {
        private static final Message OK = Message.valueOf("");

        @Override
        public CompletableFuture<Message> applyTransaction(TransactionContext context) {
            var entry = context.getLogEntry();
            updateLastAppliedTermIndex(entry.getTerm(), entry.getIndex());
            return CompletableFuture.completedFuture(OK);
        }
    }

    public static void main(String[] args) throws Exception {
        Path directory = Files.createDirectories(Path.of(args[0]));
        int seconds = args.length > 1 ? Integer.parseInt(args[1]) : 10;
        RpcLoops loops = new RpcLoops("rpc", 1);
        List<RatisTransport> transports = new ArrayList<>();
        List<RaftPeer> peers = new ArrayList<>();
        int only = args.length > 2 ? Integer.parseInt(args[2]) : -1;
        String[] ports = args.length > 3 ? args[3].split(",") : new String[] {"0", "0", "0"};
        for (int i = 0; i < 3; i++) {
            InetSocketAddress at =
                    new InetSocketAddress(
                            InetAddress.getLoopbackAddress(), Integer.parseInt(ports[i]));
            RatisTransport transport = transport("n" + i, loops);
            transports.add(transport);
            if (only < 0 || only == i) {
                at = transport.bind(at);
                if (System.getProperty("cistern.bench.rpc") != null) {
                    transport.close();
                }
            }
            peers.add(RaftPeer.newBuilder().setId("n" + i).setAddress(at).build());
        }
        RaftGroup group = RaftGroup.valueOf(GROUP, peers);
        List<RaftServer> servers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            if (only < 0 || only == i) {
                servers.add(start("n" + i, group, directory, transports.get(i)));
            }
        }
        RaftServer leader = leader(servers);
        System.out.println("leader " + leader.getId());
        for (int step = 0; step < 3; step++) {
            sequential(leader, seconds);
            outstanding(leader, seconds);
        }
        if (only >= 0) {
            Thread.sleep(TimeUnit.SECONDS.toMillis(5));
        }
        for (RaftServer server : servers) {
            server.close();
        }
        transports.forEach(RatisTransport::close);
        loops.close();
    }

    private static RatisTransport transport(String node, RpcLoops loops) {
        return new RatisTransport(
                new RpcIdentity(RpcIdentity.SERVICE_RAFT, new UUID(1, 1), node),
                null,
                loops,
                new RatisTransport.Hooks(
                        MetadataSync.fsync((message, cause) -> {
                            throw new IllegalStateException(message, cause);
                        }),
                        LinkFilter.OPEN,
                        Witnesses.NONE));
    }

    private static RaftServer start(
            String id, RaftGroup group, Path directory, RatisTransport transport)
            throws IOException {
        RaftProperties p = new RaftProperties();
        Parameters parameters = new Parameters();
        transport.configure(p, parameters);
        RaftServerConfigKeys.setStorageDir(p, List.of(directory.resolve(id).toFile()));
        RaftServerConfigKeys.Rpc.setTimeoutMin(p, TimeDuration.valueOf(1, TimeUnit.SECONDS));
        RaftServerConfigKeys.Rpc.setTimeoutMax(p, TimeDuration.valueOf(2, TimeUnit.SECONDS));
        RaftServerConfigKeys.Log.setLogMetadataEnabled(p, false);
        RaftServerConfigKeys.Log.setSegmentSizeMax(p, SizeInBytes.valueOf("32MB"));
        RaftServerConfigKeys.Log.setSegmentCacheSizeMax(p, SizeInBytes.valueOf("32MB"));
        RaftServerConfigKeys.Log.setSegmentCacheNumMax(p, 2);
        RaftServerConfigKeys.Log.Appender.setWaitTimeMin(p, TimeDuration.ZERO);
        RaftServerConfigKeys.RetryCache.setExpiryTime(p, TimeDuration.ONE_SECOND);
        String other = System.getProperty("cistern.bench.rpc", "");
        if (!other.isEmpty()) {
            RaftConfigKeys.Rpc.setType(p, SupportedRpcType.valueOfIgnoreCase(other));
            RaftPeer self = Objects.requireNonNull(group.getPeer(RaftPeerId.valueOf(id)));
            String port = self.getAddress().substring(self.getAddress().lastIndexOf(':') + 1);
            p.set("raft." + other.toLowerCase(Locale.ROOT) + ".server.port", port);
        }
        RaftServer server =
                RaftServer.newBuilder()
                        .setServerId(RaftPeerId.valueOf(id))
                        .setGroup(group)
                        .setStateMachine(new Sink())
                        .setProperties(p)
                        .setParameters(parameters)
                        .build();
        server.start();
        return server;
    }

    private static RaftServer leader(List<RaftServer> servers) throws Exception {
        while (true) {
            for (RaftServer server : servers) {
                if (server.getDivision(GROUP).getInfo().isLeaderReady()) {
                    return server;
                }
            }
            Thread.sleep(10);
        }
    }

    private static CompletableFuture<RaftClientReply> write(RaftServer leader, ByteString data)
            throws IOException {
        return leader.submitClientRequestAsync(
                RaftClientRequest.newBuilder()
                        .setClientId(CLIENT)
                        .setServerId(leader.getId())
                        .setGroupId(GROUP)
                        .setCallId(CALLS.incrementAndGet())
                        .setMessage(Message.valueOf(data))
                        .setType(RaftClientRequest.writeRequestType())
                        .build());
    }

    private static void sequential(RaftServer leader, int seconds) throws Exception {
        ByteString data = ByteString.copyFrom(new byte[4096]);
        long[] micros = new long[seconds * 20_000];
        int count = 0;
        long switches = contextSwitches();
        long start = System.nanoTime();
        long end = start + TimeUnit.SECONDS.toNanos(seconds);
        for (long at = start; at < end && count < micros.length; count++) {
            write(leader, data).get();
            long now = System.nanoTime();
            micros[count] = (now - at) / 1000;
            at = now;
        }
        double took = (System.nanoTime() - start) / 1e9;
        long[] sorted = Arrays.copyOf(micros, count);
        Arrays.sort(sorted);
        System.out.printf(
                " 1 outstanding: %6.0f writes/s, p50 %d us, p99 %d us, %d waits per write%n",
                count / took,
                sorted[count / 2],
                sorted[count * 99 / 100],
                (contextSwitches() - switches) / Math.max(count, 1));
    }

    /// How often threads of this process have waited for something, or 0 where that is not known.
    private static long contextSwitches() throws IOException {
        Path tasks = Path.of("/proc/self/task");
        if (!Files.isDirectory(tasks)) {
            return 0;
        }
        long sum = 0;
        try (DirectoryStream<Path> threads = Files.newDirectoryStream(tasks)) {
            for (Path thread : threads) {
                for (String line : Files.readAllLines(thread.resolve("status"))) {
                    if (line.startsWith("voluntary_ctxt_switches:")) {
                        sum += Long.parseLong(line.substring(line.indexOf(':') + 1).strip());
                    }
                }
            }
        } catch (NoSuchFileException ended) {
            return sum;
        }
        return sum;
    }

    private static void outstanding(RaftServer leader, int seconds) throws Exception {
        ByteString data = ByteString.copyFrom(new byte[4096]);
        Semaphore free = new Semaphore(32);
        ConcurrentHashMap<String, Integer> failures = new ConcurrentHashMap<>();
        AtomicLong done = new AtomicLong();
        long start = System.nanoTime();
        long end = start + TimeUnit.SECONDS.toNanos(seconds);
        while (System.nanoTime() < end) {
            free.acquire();
            write(leader, data)
                    .whenComplete((reply, failure) -> {
                        if (failure != null || !reply.isSuccess()) {
                            failures.merge(String.valueOf(failure), 1, Integer::sum);
                        }
                        done.incrementAndGet();
                        free.release();
                    });
        }
        free.acquire(32);
        double took = (System.nanoTime() - start) / 1e9;
        System.out.printf("32 outstanding: %6.0f writes/s %s%n", done.get() / took, failures);
    }
}
