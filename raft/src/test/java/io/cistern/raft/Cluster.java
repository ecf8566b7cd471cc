package io.cistern.raft;

import static org.awaitility.Awaitility.await;

import io.cistern.raft.ratis.LinkFilter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;

/// Hosts n1, n2, … in one process, and one group over them.
final class Cluster implements AutoCloseable {
    static final GroupId GROUP = new GroupId(1);
    static final RaftTimings FAST =
            new RaftTimings(
                    Duration.ofMillis(250),
                    Duration.ofMillis(450),
                    Duration.ofMillis(100),
                    Duration.ofSeconds(3));

    private record Link(String from, String to) {}

    final Path directory;
    private final Set<Link> cut = ConcurrentHashMap.newKeySet();
    final Map<String, RaftHost> hosts = new TreeMap<>();
    final Map<String, RaftGroup> replicas = new TreeMap<>();
    final Map<String, KeepingStateMachine> machines = new TreeMap<>();
    final List<Peer> members = new ArrayList<>();
    final List<String> halts = new java.util.concurrent.CopyOnWriteArrayList<>();
    Supplier<KeepingStateMachine> newMachine = KeepingStateMachine::new;

    /// Beside the links that are cut.
    volatile LinkFilter alsoPasses = LinkFilter.OPEN;

    UnaryOperator<RaftHostConfig> configure = config -> config;

    Cluster(Path directory) {
        this.directory = directory;
    }

    static InetSocketAddress anyPort() {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    }

    /// Starts and opens `data` replicas and a witness, the last one.
    Cluster startWithWitness(int data) {
        for (int i = 1; i <= data + 1; i++) {
            startHost("n" + i);
        }
        for (int i = 1; i <= data + 1; i++) {
            String node = "n" + i;
            String id = i <= data ? node + ".0" : Peer.witnessId(node, 0);
            members.add(new Peer(id, node, host(node).address(), 0));
        }
        members.forEach(member -> open(member.node()));
        return this;
    }

    /// Starts and opens `count` replicas.
    static Cluster of(Path directory, int count) {
        return new Cluster(directory).start(count);
    }

    Cluster start(int count) {
        for (int i = 1; i <= count; i++) {
            startHost("n" + i);
        }
        for (int i = 1; i <= count; i++) {
            String node = "n" + i;
            members.add(new Peer(node + ".0", node, host(node).address(), 0));
        }
        for (int i = 1; i <= count; i++) {
            open("n" + i);
        }
        return this;
    }

    RaftHost startHost(String node) {
        RaftHost host =
                RaftHost.start(
                        configure.apply(
                                RaftHostConfig.of(node, "test", anyPort(), directory.resolve(node))
                                        .withTimings(FAST)
                                        .withLinks(this::passes)
                                        .withHalt((message, cause) ->
                                                halts.add(node + ": " + message))));
        hosts.put(node, host);
        return host;
    }

    private boolean passes(String from, String to) {
        return !cut.contains(new Link(from, to)) && alsoPasses.passes(from, to);
    }

    RaftHost host(String node) {
        return Objects.requireNonNull(hosts.get(node));
    }

    RaftGroup openWitness(Peer witness) {
        WitnessState state =
                WitnessState.open(
                        directory.resolve(witness.node()).resolve("witness"),
                        Runnable::run,
                        (message, cause) -> halts.add(witness.node() + ": " + message),
                        100);
        RaftGroup group = host(witness.node()).open(GROUP, witness.id(), members, state);
        replicas.put(witness.node(), group);
        return group;
    }

    RaftGroup open(String node) {
        for (Peer member : members) {
            if (member.node().equals(node) && member.witness()) {
                return openWitness(member);
            }
        }
        KeepingStateMachine machine = newMachine.get();
        machines.put(node, machine);
        RaftGroup group = host(node).open(GROUP, node + ".0", members, machine);
        replicas.put(node, group);
        return group;
    }

    /// Waits for a leader that is ready.
    RaftGroup leader() {
        return await().atMost(Duration.ofSeconds(20))
                .pollInterval(Duration.ofMillis(5))
                .until(
                        () ->
                                replicas.values().stream()
                                        .filter(group -> group.leadership().ready())
                                        .findFirst()
                                        .orElse(null),
                        found -> found != null);
    }

    KeepingStateMachine machine(RaftGroup group) {
        return Objects.requireNonNull(machines.get(group.self().node()));
    }

    static ByteBuffer command(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    }

    static RaftGroup.Applied propose(RaftGroup group, String text) throws Exception {
        return group.propose(command(text)).get(20, java.util.concurrent.TimeUnit.SECONDS);
    }

    RaftGroup replica(String node) {
        return Objects.requireNonNull(replicas.get(node));
    }

    /// The replicas other than `one`.
    List<RaftGroup> others(RaftGroup one) {
        return replicas.values().stream().filter(group -> group != one).toList();
    }

    /// Cuts all links to and from a replica.
    void isolate(RaftGroup one) {
        for (RaftGroup other : others(one)) {
            cut.add(new Link(one.self().id(), other.self().id()));
            cut.add(new Link(other.self().id(), one.self().id()));
        }
    }

    /// Loses what `from` sends to `to`, requests and answers.
    void cut(RaftGroup from, RaftGroup to) {
        cut.add(new Link(from.self().id(), to.self().id()));
    }

    /// Mends the link between two replicas alone.
    void mend(RaftGroup one, RaftGroup other) {
        cut.remove(new Link(one.self().id(), other.self().id()));
        cut.remove(new Link(other.self().id(), one.self().id()));
    }

    void heal() {
        cut.clear();
    }

    /// Waits until every open replica has applied `index`.
    void awaitApplied(long index) {
        replicas.values()
                .forEach(group -> group.awaitApplied(index, Duration.ofSeconds(20)).join());
    }

    @Override
    public void close() {
        hosts.values().parallelStream().forEach(RaftHost::close);
    }
}
