package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.LogPosition;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.RaftGroups;
import io.cistern.raft.net.RpcHandlers;
import io.cistern.storage.Disk;
import io.cistern.storage.Store;
import io.cistern.storage.Usage;
import io.cistern.storage.group.ReplicaTable.Open;
import io.cistern.storage.group.ReplicaTable.Quarantined;
import io.cistern.storage.group.ReplicaTable.Turn;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The data groups' replicas on one node: opens and closes them, serves them on the node wire, and
/// tells how they are.
///
/// ```
/// (none) --open--> OPEN --close--> (none)
///    |              | damage met
///    | damaged      v
///    '--------> QUARANTINED --replace: new peer id, empty--> OPEN
/// open, where a copy was interrupted: RESUMING --copied--> OPEN
/// OPEN --differs from the others--> RESUMING
/// ```
///
/// Opening, closing, replacing and removing block. Where another thread is about one of them, for
/// the same group, they fail with BUSY, see [ReplicaTable].
public final class GroupHost implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(GroupHost.class);

    private final String node;
    private final RaftGroups raft;
    private final GroupCluster cluster;
    private final NodeParts parts;
    private final ReplicaTable replicas = new ReplicaTable();
    private final ReplicaChecks checks;
    private final Recopies recopies;

    private volatile boolean closed;

    /// @param node this node's name
    /// @param peers the way to other nodes
    /// @param halt the one given to `raft`
    public GroupHost(
            String node, RaftGroups raft, NodePeers peers, GroupTuning tuning, Cluster cluster) {
        this(node, raft, cluster, new NodeParts(new PooledThreads(node), peers, tuning));
    }

    GroupHost(String node, RaftGroups raft, Cluster cluster, NodeParts parts) {
        this.node = node;
        this.raft = raft;
        this.cluster = cluster.cluster();
        this.parts = parts;
        CheckedHost checked = new CheckedHost();
        this.recopies = new Recopies(node, parts, checked);
        this.checks = new ReplicaChecks(node, parts, checked, recopies);
        cluster.halt().onDamage(this::damaged);
        long tickMillis = parts.tuning().spaceInterval().toMillis();
        parts.timer()
                .scheduleWithFixedDelay(this::tick, tickMillis, tickMillis, TimeUnit.MILLISECONDS);
    }

    /// @param halt the one that the node's RaftHost has
    public record Cluster(GroupCluster cluster, ReplicaHalt halt) {}

    /// Serves the replicas on the node wire.
    public void register(RpcHandlers server) {
        new GroupServer(this::service).register(server);
        new PeerServer(replicas::get, this::status, parts).register(server);
        new CheckServer(new CheckedHost(), recopies, parts).register(server);
    }

    // ---- opening and closing

    /// Opens a replica, new or old. Where its log or store is damaged it is quarantined instead,
    /// and the cluster is asked to rebuild it; where a copy to it was interrupted, that is finished
    /// first, in the background. [#status] tells which.
    ///
    /// @param members the voters of a new group; empty where the replica joins one that exists
    /// @throws CisternException ALREADY_EXISTS if it is open; BUSY; IO; and what [Disk#openStore]
    ///   says
    public void open(GroupId id, Disk disk, String peerId, List<Peer> members) {
        try (Turn turn = replicas.begin(id, "opened")) {
            Replica before = turn.replica();
            if (before != null) {
                turn.end(new Open(before));
                throw new CisternException(
                        ErrorCode.ALREADY_EXISTS, "group " + id + " is already open on " + node);
            }
            open(turn, disk, self(peerId, members), members);
        }
    }

    private void open(Turn turn, Disk disk, Peer self, List<Peer> members) {
        GroupId id = turn.id();
        Store store;
        try {
            store = disk.openStore(id.value());
        } catch (CisternException e) {
            if (e.code() == ErrorCode.CORRUPT) {
                quarantine(turn, new Quarantined(self.id(), disk, String.valueOf(e.getMessage())));
                return;
            }
            throw e;
        }
        Replica replica = new Replica(id, self, store, disk, this::damaged, parts);
        turn.end(new Open(replica));
        if (store.importing()) {
            parts.threads().start("resume-" + id + "-" + self.id(), () -> resume(replica, members));
        } else {
            disk.allowAllSources(id.value());
            startRaft(replica, members);
        }
        if (closed) {
            close(id);
        }
    }

    private Peer self(String peerId, List<Peer> members) {
        for (Peer member : members) {
            if (member.id().equals(peerId)) {
                return member;
            }
        }
        return new Peer(peerId, node, raft.address(), 0);
    }

    private void startRaft(Replica replica, List<Peer> members) {
        RaftGroup group;
        try {
            group = raft.open(replica.id(), replica.self().id(), members, replica.machine());
        } catch (RuntimeException e) {
            try (Turn turn = replicas.begin(replica, "closed")) {
                if (turn == null) {
                    throw e; // somebody else closes it
                }
                closeAnyway(replica);
                if (CisternException.of(e).code() != ErrorCode.CORRUPT) {
                    throw e;
                }
                quarantine(turn, quarantined(replica, String.valueOf(e.getMessage())));
                return;
            }
        }
        replica.start(group);
        log.info("group {} is open on {} as {}", replica.id(), node, replica.self().id());
    }

    /// Finishes an interrupted copy, from whoever has the group, before Raft starts: until then
    /// what is here is nobody's state.
    private void resume(Replica replica, List<Peer> members) {
        List<String> allowed;
        try {
            allowed = replica.disk().allowedSources(replica.id().value());
        } catch (CisternException e) {
            damaged(replica.id(), e);
            return;
        }
        long pauseMillis = 100;
        while (!closed && replicas.get(replica.id()) == replica) {
            for (String source : allowed.isEmpty() ? cluster.nodes(replica.id()) : allowed) {
                if (!source.equals(node) && copied(replica, source)) {
                    resumed(replica, members);
                    return;
                }
            }
            if (!parts.threads().sleep(TimeUnit.MILLISECONDS.toNanos(pauseMillis))) {
                return;
            }
            pauseMillis = Math.min(5_000, pauseMillis * 2);
        }
    }

    private void resumed(Replica replica, List<Peer> members) {
        replica.disk().allowAllSources(replica.id().value());
        try {
            startRaft(replica, members);
        } catch (RuntimeException e) {
            log.error("{} of group {} stays closed", replica.self().id(), replica.id(), e);
        }
    }

    private static boolean copied(Replica replica, String source) {
        try {
            LogPosition reached =
                    replica.receiver().copy(source, replica.store().applied().index());
            replica.machine().moved(reached);
            return true;
        } catch (CisternException e) {
            log.info("no copy of group {} from {}: {}", replica.id(), source, e.getMessage());
            return false;
        } catch (RuntimeException e) {
            log.error("copying group {} from {}", replica.id(), source, e);
            return false;
        }
    }

    /// Closes a replica; its data stays.
    ///
    /// @throws CisternException BUSY: it is being opened, copied anew or deleted
    public void close(GroupId id) {
        try (Turn turn = replicas.begin(id, "closed")) {
            Replica replica = turn.replica();
            if (replica != null) {
                replica.close();
            }
        }
    }

    /// Closes a replica, open or quarantined, and deletes its log and data.
    ///
    /// @throws CisternException BUSY: it is being opened, closed or copied anew
    public void remove(GroupId id, Disk disk) {
        try (Turn turn = replicas.begin(id, "deleted")) {
            remove(turn, disk);
        }
    }

    private void remove(Turn turn, Disk disk) {
        Replica replica = turn.replica();
        if (replica != null) {
            replica.stop();
            try {
                raft.remove(turn.id());
            } finally {
                replica.close();
            }
        }
        disk.dropStore(turn.id().value());
    }

    /// Puts an empty replica, which waits to be added to the group, in the place of a quarantined
    /// one.
    ///
    /// @param peerId never used before
    public void replace(GroupId id, Disk disk, String peerId) {
        remove(id, disk);
        open(id, disk, peerId, List.of());
    }

    /// Makes a replica that differs from the others equal to one of them: as a copy that was
    /// interrupted is resumed, so what is equal is not sent, and its log and peer id stay. Until
    /// then it is out of use. Returns when it is closed to others. The caller has made sure that
    /// the others can do without it, see [Recopies].
    ///
    /// @param sources names of the nodes that it may be copied from, and no other, however often it
    ///   has to be begun: another replica may differ elsewhere
    /// @throws CisternException NOT_FOUND; INVALID where it leads
    void recopy(GroupId id, String peer, List<String> sources, String reason) {
        Replica replica = replica(id);
        RaftGroup group = replica.raft();
        if (!replica.self().id().equals(peer) || group == null) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "node " + node + " has no open replica " + peer);
        }
        if (group.leadership().ready()) {
            throw new CisternException(
                    ErrorCode.INVALID, peer + " leads group " + id + " and cannot be copied anew");
        }
        Turn turn = replicas.begin(replica, "copied anew");
        if (turn == null) {
            throw new CisternException(ErrorCode.NOT_FOUND, peer + " is being closed");
        }
        log.error("{} of group {}: {}; copying it anew from {}", peer, id, reason, sources);
        parts.threads().start("recopy-" + id, () -> recopy(turn, replica, sources));
    }

    /// What goes wrong here leaves a replica that cannot be used: it is built anew like one that is
    /// damaged.
    private void recopy(Turn begun, Replica replica, List<String> sources) {
        try (Turn turn = begun) {
            if (emptied(turn, replica, sources)) {
                open(turn, replica.disk(), replica.self(), List.of());
            }
        } catch (RuntimeException e) {
            log.error("{} of group {} stays closed", replica.self().id(), replica.id(), e);
        }
    }

    /// Closes a replica and makes it one whose copy was interrupted.
    ///
    /// @return false where it is to stay closed
    private boolean emptied(Turn turn, Replica replica, List<String> sources) {
        try {
            replica.close();
            if (closed) {
                return false;
            }
            replica.disk().allowSources(replica.id().value(), sources);
            try (Store store = replica.disk().openStore(replica.id().value())) {
                store.importBegin();
            }
            return true;
        } catch (RuntimeException e) {
            log.error("{} of group {}", replica.self().id(), replica.id(), e);
            if (!closed) {
                quarantine(turn, quarantined(replica, "it could not be copied anew: " + e));
            }
            return false;
        }
    }

    // ---- damage

    private void damaged(GroupId id, Throwable cause) {
        Replica replica = replicas.get(id);
        Turn begun = replica == null ? null : replicas.begin(replica, "closed");
        if (replica == null || begun == null) {
            return;
        }
        parts.threads()
                .start(
                        "quarantine-" + id,
                        () -> {
                            try (Turn turn = begun) {
                                closeAnyway(replica);
                                quarantine(
                                        turn,
                                        quarantined(replica, String.valueOf(cause.getMessage())));
                            }
                        });
    }

    private static void closeAnyway(Replica replica) {
        try {
            replica.close();
        } catch (RuntimeException e) {
            log.error("closing {} of group {}", replica.self().id(), replica.id(), e);
        }
    }

    private static Quarantined quarantined(Replica replica, String reason) {
        return new Quarantined(replica.self().id(), replica.disk(), reason);
    }

    private void quarantine(Turn turn, Quarantined replica) {
        GroupId id = turn.id();
        log.error(
                "replica {} of group {} on {} is damaged and out of use, a new one will be built from"
                        + " the others: {}",
                replica.peer(),
                id,
                node,
                replica.reason());
        turn.end(replica);
        parts.threads()
                .start(
                        "rebuild-" + id,
                        () -> cluster.rebuild(id, replica.peer(), replica.reason()));
    }

    // ---- use

    private @Nullable GroupReplica service(GroupId id) {
        Replica replica = replicas.get(id);
        return replica == null ? null : replica.service();
    }

    /// The replica, as volume clients use it; null where it is not open (yet).
    public @Nullable GroupReplica group(GroupId id) {
        return service(id);
    }

    /// The replica's Raft group, for changes of membership and leadership; null as for [#group].
    public @Nullable RaftGroup raft(GroupId id) {
        Replica replica = replicas.get(id);
        return replica == null ? null : replica.raft();
    }

    /// All replicas on this node, quarantined ones included.
    public List<ReplicaStatus> status() {
        List<ReplicaStatus> all = new ArrayList<>();
        replicas.forEach((id, entry) -> {
            switch (entry) {
                case Open open -> all.add(open.replica().status());
                case Quarantined out -> all.add(outOfUse(id, out.peer(), out.disk(), out.reason()));
                case Turn turn -> {
                    Replica replica = turn.replica();
                    if (replica != null) {
                        all.add(outOfUse(id, replica.self().id(), replica.disk(), null));
                    }
                }
            }
        });
        return all;
    }

    /// Requests of users that the replica here has had since it was opened; 0 where none is open.
    public long requests(GroupId id) {
        Replica replica = replicas.get(id);
        return replica == null ? 0 : replica.userRequests();
    }

    /// Bounds each copy that this node receives, from now on.
    ///
    /// @param bytesPerSecond 0 for no bound
    public void limitCopies(long bytesPerSecond) {
        parts.limitCopies(bytesPerSecond);
    }

    /// Whether leaders here write, from now on, what only nodes understand that know of ended
    /// attachments, see [io.cistern.storage.Command.Attach#remember]. At first they do.
    public void rememberEnds(boolean on) {
        parts.rememberEnds(on);
    }

    /// As [#rememberEnds], for [io.cistern.storage.Command.Attach#since].
    public void countEnds(boolean on) {
        parts.countEnds(on);
    }

    /// What the replicas on this node do, for metrics.
    public List<ReplicaActivity> activity() {
        List<ReplicaActivity> all = new ArrayList<>();
        for (Replica replica : replicas.open()) {
            ReplicaActivity activity = replica.activity();
            if (activity != null) {
                all.add(activity);
            }
        }
        return all;
    }

    /// @param damage null where it is being closed, or copied anew
    private ReplicaStatus outOfUse(GroupId id, String peer, Disk disk, @Nullable String damage) {
        return new ReplicaStatus(
                id,
                peer,
                node,
                damage == null ? ReplicaStatus.Role.CATCHING_UP : ReplicaStatus.Role.QUARANTINED,
                null,
                0,
                -1,
                -1,
                -1,
                ReplicaStatus.Log.NONE,
                new Usage(disk.capacityBytes(), disk.freeBytes(), 0, -1),
                ReplicaStatus.Repairs.NONE,
                null,
                null,
                damage);
    }

    /// The replicas on another node.
    public CompletableFuture<List<ReplicaStatus>> status(String otherNode) {
        return parts.peers().call(otherNode, Wire.REPLICAS, out -> {}, ReplicaStatus::decodeList);
    }

    /// Reads and verifies what this node's replica of the group holds, and mends what is damaged.
    ///
    /// @param volume 0 for everything
    /// @return fails with UNAVAILABLE or NOT_FOUND
    public CompletableFuture<Scrubber.Report> scrub(GroupId id, long volume) {
        try {
            return replica(id).running().scrubber().scrub(volume);
        } catch (CisternException e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    /// Starts a scrub on another node.
    public CompletableFuture<Boolean> scrub(String otherNode, GroupId id, long volume) {
        WireRequest.Describe request = new WireRequest.Describe(id, volume);
        return parts.peers().call(otherNode, Wire.SCRUB, request::encode, in -> true);
    }

    /// Compares a volume, snapshots included, on all replicas of its group. Reads all of it.
    public CompletableFuture<Verifier.Report> verify(GroupId id, long volume) {
        return verify(id, verifier -> verifier.verify(volume));
    }

    /// Compares a volume's head, or a snapshot, on all replicas of its group, for about as long as
    /// `patience` lasts.
    ///
    /// @param snapshot empty for the head
    /// @param from first granule
    public CompletableFuture<Verifier.Report> verify(
            GroupId id, long volume, String snapshot, long from, Duration patience) {
        return verify(id, verifier -> verifier.verify(volume, snapshot, from, patience));
    }

    private CompletableFuture<Verifier.Report> verify(
            GroupId id, Function<Verifier, Verifier.Report> how) {
        CompletableFuture<Verifier.Report> done = new CompletableFuture<>();
        parts.threads()
                .start(
                        "verify-" + id,
                        () -> {
                            try {
                                done.complete(how.apply(replica(id).running().verifier()));
                            } catch (Throwable e) {
                                done.completeExceptionally(e);
                            }
                        });
        return done;
    }

    /// Compares all replicas of a group that this node leads, as of one entry of its log, and has
    /// one that differs from the majority copied anew. See [ReplicaCheck].
    ///
    /// @param repair false: only to report
    /// @return fails with NOT_LEADER, NOT_FOUND or UNAVAILABLE
    public CompletableFuture<ReplicaCheck.Report> check(GroupId id, boolean repair) {
        return checks.start("check-" + id, all -> all.check(id, repair));
    }

    /// Compares the books of this node's disks, and mends them. See [Disk#checkBooks].
    ///
    /// @return findings, one sentence each
    public CompletableFuture<List<String>> checkBooks() {
        return checks.start("books-" + node, ReplicaChecks::books);
    }

    /// The comparisons of replicas that this node carries out.
    public Map<GroupId, ReplicaStatus.Progress> checking() {
        return checks.running();
    }

    private final class CheckedHost implements ReplicaChecks.Host {
        @Override
        public Replica replica(GroupId id) {
            return GroupHost.this.replica(id);
        }

        @Override
        public List<Replica> replicas() {
            return replicas.open();
        }

        @Override
        public List<ReplicaStatus> status() {
            return GroupHost.this.status();
        }

        @Override
        public void recopy(GroupId id, String peer, List<String> sources, String reason) {
            GroupHost.this.recopy(id, peer, sources, reason);
        }

        @Override
        public void damaged(GroupId id, Throwable cause) {
            GroupHost.this.damaged(id, cause);
        }
    }

    /// @throws CisternException NOT_FOUND
    Replica replica(GroupId id) {
        Replica replica = replicas.get(id);
        if (replica == null) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "node " + node + " has no open replica of group " + id);
        }
        return replica;
    }

    private void tick() {
        for (Replica replica : replicas.open()) {
            try {
                replica.tick();
            } catch (RuntimeException e) {
                log.warn("the regular work of group {} failed", replica.id(), e);
            }
        }
    }

    /// Closes all replicas.
    @Override
    public void close() {
        closed = true;
        for (GroupId id : replicas.groups()) {
            try {
                close(id);
            } catch (CisternException e) {
                log.info("group {} is closed by who is at it: {}", id, e.getMessage());
            }
        }
        parts.close();
    }
}
