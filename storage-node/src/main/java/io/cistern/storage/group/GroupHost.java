package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.raft.GroupId;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.RaftGroups;
import io.cistern.raft.net.RpcHandlers;
import io.cistern.storage.Disk;
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
    private final NodeParts parts;
    private final LocalReplicas replicas;
    private final ReplicaChecks checks;
    private final Recopies recopies;

    /// @param node this node's name
    /// @param peers the way to other nodes
    /// @param halt the one given to `raft`
    public GroupHost(
            String node, RaftGroups raft, NodePeers peers, GroupTuning tuning, Cluster cluster) {
        this(node, raft, cluster, new NodeParts(new PooledThreads(node), peers, tuning));
    }

    GroupHost(String node, RaftGroups raft, Cluster cluster, NodeParts parts) {
        this.node = node;
        this.parts = parts;
        this.replicas = new LocalReplicas(node, raft, cluster.cluster(), parts);
        this.recopies = new Recopies(node, parts, replicas);
        this.checks = new ReplicaChecks(node, parts, replicas, recopies);
        cluster.halt().onDamage(replicas::damaged);
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
        new CheckServer(replicas, recopies, parts).register(server);
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
        replicas.open(id, disk, peerId, members);
    }

    /// Closes a replica; its data stays.
    ///
    /// @throws CisternException BUSY: it is being opened, copied anew or deleted
    public void close(GroupId id) {
        replicas.close(id);
    }

    /// Closes a replica, open or quarantined, and deletes its log and data.
    ///
    /// @throws CisternException BUSY: it is being opened, closed or copied anew
    public void remove(GroupId id, Disk disk) {
        replicas.remove(id, disk);
    }

    /// Puts an empty replica, which waits to be added to the group, in the place of a quarantined
    /// one.
    ///
    /// @param peerId never used before
    public void replace(GroupId id, Disk disk, String peerId) {
        replicas.replace(id, disk, peerId);
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
        return replicas.status();
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
        for (Replica replica : replicas.replicas()) {
            ReplicaActivity activity = replica.activity();
            if (activity != null) {
                all.add(activity);
            }
        }
        return all;
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
            return replicas.replica(id).running().scrubber().scrub(volume);
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
                                done.complete(how.apply(replicas.replica(id).running().verifier()));
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

    /// The replicas, for this package.
    LocalReplicas replicas() {
        return replicas;
    }

    private void tick() {
        for (Replica replica : replicas.replicas()) {
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
        replicas.close();
        parts.close();
    }
}
