package io.cistern.volume.node;

import io.cistern.block.BlockDevice;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.NodeConfig;
import io.cistern.volume.NodeConfig.DiskSpec;
import io.cistern.volume.NodeConfig.Formation;
import io.cistern.volume.NodeConfig.InitialNode;
import io.cistern.volume.NodeConfig.Tuning;
import io.cistern.volume.system.Level;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// Nodes in this JVM.
final class TestCluster implements AutoCloseable {
    static final long DISK_BYTES = 1L << 30;
    static final Tuning TUNING = new Tuning(3, 200, 16L << 20, 8L << 20);

    private static final AtomicInteger PORTS =
            new AtomicInteger(ThreadLocalRandom.current().nextInt(12_000, 20_000));

    private final Path directory;
    private final String clusterId = UUID.randomUUID().toString();
    private final List<InitialNode> initial = new ArrayList<>();
    private final Map<String, NodeHost> running = new ConcurrentSkipListMap<>();

    /// Nodes that are to be of an older release, and the format level that they know.
    private final Map<String, Integer> levels;

    /// What would have halted the process.
    final List<String> halts = new CopyOnWriteArrayList<>();

    TestCluster(Path directory, int nodes) {
        this(directory, nodes, Map.of());
    }

    TestCluster(Path directory, int nodes, Map<String, Integer> levels) {
        this.directory = directory;
        this.levels = new ConcurrentHashMap<>(levels);
        for (int i = 0; i < nodes; i++) {
            initial.add(place("n" + i));
        }
        initial.forEach(n -> start(n.name()));
        any().awaitReady(Duration.ofSeconds(60));
    }

    static InitialNode place(String name) {
        return new InitialNode(name, "default", free(), free(), "http://127.0.0.1:1");
    }

    /// An address that stays free while its node is down: below those from which the kernel takes
    /// the ports of outgoing connections.
    private static InetSocketAddress free() {
        while (true) {
            int port = PORTS.getAndIncrement();
            try (ServerSocket socket =
                    new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return new InetSocketAddress("127.0.0.1", socket.getLocalPort());
            } catch (BindException taken) {
                if (port >= 32_000) {
                    throw new UncheckedIOException(taken);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    Path home(String node) {
        return directory.resolve(node);
    }

    String clusterId() {
        return clusterId;
    }

    NodeHost start(String name) {
        InitialNode me =
                initial.stream().filter(n -> n.name().equals(name)).findFirst().orElseThrow();
        return start(me, new Formation.Bootstrap(clusterId, initial));
    }

    NodeHost start(InitialNode me, Formation formation) {
        return start(me, formation, false);
    }

    NodeHost start(InitialNode me, Formation formation, boolean witness) {
        NodeConfig config =
                new NodeConfig(
                        me.name(),
                        me.zone(),
                        witness,
                        List.of(new DiskSpec(home(me.name()), DISK_BYTES)),
                        me.wire(),
                        me.raft(),
                        me.api(),
                        witness
                                ? null
                                : "127.0.0.1:" + (3260 + Integer.parseInt(me.name().substring(1))),
                        null,
                        null,
                        formation,
                        TUNING);
        NodeHost node =
                NodeHost.start(
                        config,
                        (message, cause) -> {
                            halts.add(me.name() + ": " + message + ": " + cause);
                            throw new IllegalStateException(message, cause);
                        },
                        levels.getOrDefault(me.name(), Level.NEWEST));
        running.put(me.name(), node);
        return node;
    }

    /// Lets a node be of a release that knows `level` from its next start on.
    void release(String name, int level) {
        levels.put(name, level);
    }

    void stop(String name) {
        NodeHost node = running.remove(name);
        if (node != null) {
            node.close();
        }
    }

    NodeHost node(String name) {
        return Objects.requireNonNull(running.get(name));
    }

    NodeHost any() {
        return running.values().iterator().next();
    }

    List<String> names() {
        return List.copyOf(running.keySet());
    }

    ClusterAdmin admin() {
        return any().admin();
    }

    /// The name of the node that leads group `g`.
    @Nullable String leader(String g) {
        return admin().status().groups().stream()
                .filter(group -> group.id().equals(g))
                .findFirst()
                .orElseThrow()
                .leader();
    }

    static byte[] read(BlockDevice device, long offset, int length) {
        ByteBuffer dst = ByteBuffer.allocate(length);
        device.read(offset, dst).join();
        return dst.array();
    }

    @Override
    public void close() {
        // One after the other, each would try to hand over to those that are gone.
        List.copyOf(running.keySet()).parallelStream().forEach(this::stop);
    }
}
