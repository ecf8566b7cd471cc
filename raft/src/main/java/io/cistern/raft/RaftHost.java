package io.cistern.raft;

import io.cistern.block.CisternException;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import io.cistern.block.FileTrees;
import io.cistern.block.Surroundings;
import io.cistern.raft.net.RpcIdentity;
import io.cistern.raft.net.RpcLoops;
import io.cistern.raft.ratis.RatisTransport;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.channels.ClosedByInterruptException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import org.apache.ratis.conf.Parameters;
import org.apache.ratis.conf.RaftProperties;
import org.apache.ratis.proto.RaftProtos.RaftPeerRole;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.storage.RaftStorage;
import org.apache.ratis.util.PureJavaCrc32C;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The replicas of one node: any number of groups behind one Raft port.
///
/// A replica's log lies in `<directory>/raft/<group>/<peer id>`. Opening, removing and closing
/// block; they are for control-plane threads.
public final class RaftHost implements RaftGroups, AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(RaftHost.class);

    /// Loops of a host that was given none: appends are handled on them, so two keep a slow group
    /// from holding up the others.
    private static final int OWN_LOOPS = 2;

    private final RaftHostConfig config;
    private final RpcLoops loops;
    private final RatisTransport transport;
    private final InetSocketAddress address;
    private final ScheduledExecutorService timer;
    private final ExecutorService control;
    private final ConcurrentHashMap<GroupId, RatisGroup> groups = new ConcurrentHashMap<>();

    /// The replicas by the directory that Ratis keeps their votes in.
    private final ConcurrentHashMap<Path, ReplicaStore> stores = new ConcurrentHashMap<>();

    private RaftHost(RaftHostConfig config) {
        this.config = config;
        RpcLoops given = config.loops();
        this.loops = given != null ? given : new RpcLoops("raft-" + config.node(), OWN_LOOPS);
        RpcIdentity identity =
                new RpcIdentity(
                        RpcIdentity.SERVICE_RAFT, clusterUuid(config.clusterId()), config.node());
        this.transport =
                new RatisTransport(
                        identity,
                        config.tls(),
                        loops,
                        new RatisTransport.Hooks(
                                this::makeVoteDurable, config.links(), new EntryHeaders()));
        try {
            this.address = transport.bind(config.listen());
        } catch (RuntimeException e) {
            closeTransport();
            throw e;
        }
        ScheduledThreadPoolExecutor pool =
                new ScheduledThreadPoolExecutor(
                        1,
                        Thread.ofPlatform().name("raft-timer-" + config.node()).daemon().factory());
        pool.setRemoveOnCancelPolicy(true);
        this.timer = pool;
        this.control =
                Executors.newThreadPerTaskExecutor(
                        Thread.ofVirtual().name("raft-control-" + config.node()).factory());
    }

    /// Begins to listen. No group is open yet.
    ///
    /// @throws CisternException BUSY if the address is taken, INVALID if the TLS files cannot be
    ///   used
    public static RaftHost start(RaftHostConfig config) {
        if (!fastChecksum()) {
            log.warn(
                    "the log's checksums are computed without the processor's help: put Cistern's raft"
                            + " jar before ratis-common on the class path");
        }
        return new RaftHost(config);
    }

    /// True where the log uses this module's checksum and not Ratis' own of the same name.
    static boolean fastChecksum() {
        return Objects.equals(
                PureJavaCrc32C.class.getProtectionDomain().getCodeSource(),
                RaftHost.class.getProtectionDomain().getCodeSource());
    }

    private static UUID clusterUuid(String id) {
        try {
            return UUID.fromString(id);
        } catch (IllegalArgumentException e) {
            return UUID.nameUUIDFromBytes(id.getBytes(StandardCharsets.UTF_8));
        }
    }

    private void makeVoteDurable(Path directory, long term) {
        ReplicaStore store = stores.get(directory.toAbsolutePath().normalize());
        if (store == null) {
            throw new IllegalStateException("the replica in " + directory + " is closed");
        }
        try {
            store.voted(term);
        } catch (ClosedByInterruptException e) {
            // The replica is being closed, and nobody hears of a vote that is not durable.
            throw new UncheckedIOException(e);
        } catch (IOException e) {
            config.halt().halt("cannot make the vote in " + directory + " durable", e);
            throw new UncheckedIOException(e);
        }
    }

    /// Where this host listens, with the port that was given.
    @Override
    public InetSocketAddress address() {
        return address;
    }

    /// Creates or restarts a replica.
    ///
    /// @param selfPeerId the identity of this replica's log; one that was lost or quarantined is
    ///   never used again
    /// @param initialMembers the voters of a new group, the same on each, this replica among them.
    ///   Empty where the replica joins a group that exists: it waits until the leader adds it. A
    ///   restart goes by the membership in its log instead
    /// @throws CisternException ALREADY_EXISTS if the group is open; INVALID if the directory is
    ///   another replica's, or witnesses alone could be a majority; CORRUPT if the log is damaged,
    ///   with a [LogDamagedException] as its cause: [#quarantine] it and open a new replica; IO
    @Override
    public RaftGroup open(
            GroupId id, String selfPeerId, List<Peer> initialMembers, StateMachine stateMachine) {
        Peer self =
                initialMembers.stream()
                        .filter(peer -> peer.id().equals(selfPeerId))
                        .findFirst()
                        .orElse(new Peer(selfPeerId, config.node(), address, 0));
        if (!initialMembers.isEmpty() && !initialMembers.contains(self)) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    selfPeerId + " is not among the members of " + id + " it is to open");
        }
        checkVoters(id, initialMembers);
        if (groups.containsKey(id)) {
            throw alreadyOpen(id);
        }
        ReplicaStore store = check(id, selfPeerId, stateMachine.checkpointed());
        Path votes = store.current().toAbsolutePath().normalize();
        stores.put(votes, store);
        Runnable onClose =
                () -> {
                    groups.remove(id);
                    stores.remove(votes);
                };
        HostParts parts = new HostParts(config, store, timer, control, onClose);
        RatisGroup group =
                new RatisGroup(id, self, List.copyOf(initialMembers), stateMachine, parts);
        if (groups.putIfAbsent(id, group) != null) {
            throw alreadyOpen(id);
        }
        try {
            group.start(newServer(group, store.directory(), initialMembers));
            return group;
        } catch (IOException | RuntimeException e) {
            group.close();
            throw cannotOpen(id, store.directory(), e);
        }
    }

    /// What witnesses alone acknowledge is nowhere: every majority must hold a replica with data.
    ///
    /// @throws CisternException INVALID
    static void checkVoters(GroupId id, List<Peer> voters) {
        long witnesses = voters.stream().filter(Peer::witness).count();
        if (witnesses > 0 && witnesses >= voters.size() / 2 + 1) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    witnesses
                            + " witnesses among the "
                            + voters.size()
                            + " voters of "
                            + id
                            + " could acknowledge what nobody holds");
        }
    }

    private CisternException alreadyOpen(GroupId id) {
        return new CisternException(
                ErrorCode.ALREADY_EXISTS, id + " is already open on " + config.node());
    }

    private static CisternException cannotOpen(GroupId id, Path directory, Exception e) {
        return e instanceof CisternException known
                ? known
                : new CisternException(
                        ErrorCode.IO,
                        "cannot open " + id + " in " + directory + ": " + e.getMessage(),
                        e);
    }

    private ReplicaStore check(GroupId id, String peerId, LogPosition checkpoint) {
        Path directory = directory(id, peerId);
        ReplicaFile wanted = ReplicaFile.fresh(config.clusterId(), id, peerId);
        try {
            return openStore(directory, wanted, checkpoint);
        } catch (LogDamagedException e) {
            String advice =
                    ReplicaStore.othersKnown(directory, peerId)
                            ? "set it aside and rebuild it from the other members, under a new peer id"
                            : "the group has no other member to rebuild it from: restore a backup";
            throw new CisternException(
                    ErrorCode.CORRUPT,
                    "replica "
                            + peerId
                            + " of "
                            + id
                            + " is damaged: "
                            + e.getMessage()
                            + "; "
                            + advice,
                    e);
        } catch (IOException e) {
            throw cannotOpen(id, directory, e);
        }
    }

    private static ReplicaStore openStore(
            Path directory, ReplicaFile wanted, LogPosition checkpoint)
            throws IOException, LogDamagedException {
        try {
            return ReplicaStore.open(directory, wanted, checkpoint);
        } catch (IOException e) {
            if (Surroundings.ail(e)) {
                throw e;
            }
            // A sector that cannot be read, for one.
            throw new LogDamagedException(directory + " cannot be used: " + e);
        }
    }

    /// Sets a damaged replica's files aside, for inspection. Its peer id is never used again.
    ///
    /// @return where they are now
    /// @throws CisternException BUSY if the replica is open, NOT_FOUND, IO
    public Path quarantine(GroupId id, String peerId) {
        RatisGroup open = groups.get(id);
        if (open != null && open.self().id().equals(peerId)) {
            throw new CisternException(ErrorCode.BUSY, peerId + " of " + id + " is open");
        }
        Path directory = directory(id, peerId);
        if (!Files.isDirectory(directory)) {
            throw new CisternException(ErrorCode.NOT_FOUND, "no replica in " + directory);
        }
        int n = 1;
        while (Files.exists(directory.resolveSibling(peerId + ".quarantine-" + n))) {
            n++;
        }
        Path aside = directory.resolveSibling(peerId + ".quarantine-" + n);
        try {
            Files.move(directory, aside, StandardCopyOption.ATOMIC_MOVE);
            DurableFiles.sync(Objects.requireNonNull(aside.getParent()));
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot move " + directory + " to " + aside, e);
        }
        log.warn("replica {} of {} is set aside in {}", peerId, id, aside);
        return aside;
    }

    /// Closes a replica, if it is open, and deletes its log for good.
    ///
    /// @throws CisternException IO
    @Override
    public void remove(GroupId id) {
        RatisGroup group = groups.get(id);
        if (group == null) {
            return;
        }
        group.close();
        Path directory = directory(id, group.self().id());
        try {
            FileTrees.delete(directory);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot delete " + directory, e);
        }
    }

    /// The groups that are open.
    public List<RaftGroup> groups() {
        return List.copyOf(groups.values());
    }

    @Override
    public void close() {
        // Most of it is waiting.
        CompletableFuture.allOf(
                        groups.values().stream()
                                .map(group -> CompletableFuture.runAsync(group::close, control))
                                .toArray(CompletableFuture[]::new))
                .join();
        closeTransport();
        timer.shutdownNow();
        control.shutdown();
        log.info("raft on {} stopped", config.node());
    }

    private void closeTransport() {
        transport.close();
        if (config.loops() == null) {
            loops.close();
        }
    }

    private Path directory(GroupId id, String peerId) {
        return directory(config.directory(), id, peerId);
    }

    /// Where a replica's log is.
    ///
    /// @param home [RaftHostConfig#directory]
    public static Path directory(Path home, GroupId group, String peerId) {
        return home.resolve("raft").resolve(group.toString()).resolve(peerId);
    }

    private RaftServer newServer(RatisGroup group, Path directory, List<Peer> initialMembers)
            throws IOException {
        RaftProperties properties = RatisConfig.properties(directory, config);
        Parameters parameters = new Parameters();
        transport.configure(properties, parameters);
        return RaftServer.newBuilder()
                .setServerId(RaftPeerId.valueOf(group.self().id()))
                .setStateMachineRegistry(ignored -> group.adapter())
                .setGroup(
                        org.apache.ratis.protocol.RaftGroup.valueOf(
                                RatisPeers.groupId(group.id()),
                                RatisPeers.toRatis(initialMembers, RaftPeerRole.FOLLOWER)))
                .setOption(RaftStorage.StartupOption.RECOVER)
                .setProperties(properties)
                .setParameters(parameters)
                .build();
    }
}
