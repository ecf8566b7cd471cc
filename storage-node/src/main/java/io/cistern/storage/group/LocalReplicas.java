package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.LogPosition;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.RaftGroups;
import io.cistern.storage.Disk;
import io.cistern.storage.Store;
import io.cistern.storage.Usage;
import io.cistern.storage.group.ReplicaTable.Open;
import io.cistern.storage.group.ReplicaTable.Quarantined;
import io.cistern.storage.group.ReplicaTable.Turn;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The replicas on one node: opens, closes, deletes and replaces them, and takes those that are
/// damaged out of use. What may happen to one is drawn at [GroupHost].
///
/// Opening, closing, replacing and removing block. Where another thread is about one of them, for
/// the same group, they fail with BUSY, see [ReplicaTable].
final class LocalReplicas implements ReplicaChecks.Host {
    private static final Logger log = LoggerFactory.getLogger(LocalReplicas.class);

    private final String node;
    private final RaftGroups raft;
    private final GroupCluster cluster;
    private final NodeParts parts;
    private final ReplicaTable table = new ReplicaTable();

    private volatile boolean closed;

    LocalReplicas(String node, RaftGroups raft, GroupCluster cluster, NodeParts parts) {
        this.node = node;
        this.raft = raft;
        this.cluster = cluster;
        this.parts = parts;
    }

    // ---- opening and closing

    /// See [GroupHost#open].
    void open(GroupId id, Disk disk, String peerId, List<Peer> members) {
        try (Turn turn = table.begin(id, "opened")) {
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
            try (Turn turn = table.begin(replica, "closed")) {
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
        while (!closed && table.get(replica.id()) == replica) {
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

    /// See [GroupHost#close].
    void close(GroupId id) {
        try (Turn turn = table.begin(id, "closed")) {
            Replica replica = turn.replica();
            if (replica != null) {
                replica.close();
            }
        }
    }

    /// See [GroupHost#remove].
    void remove(GroupId id, Disk disk) {
        try (Turn turn = table.begin(id, "deleted")) {
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

    /// See [GroupHost#replace].
    void replace(GroupId id, Disk disk, String peerId) {
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
    @Override
    public void recopy(GroupId id, String peer, List<String> sources, String reason) {
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
        Turn turn = table.begin(replica, "copied anew");
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

    @Override
    public void damaged(GroupId id, Throwable cause) {
        Replica replica = table.get(id);
        Turn begun = replica == null ? null : table.begin(replica, "closed");
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

    /// The replica, if it is open.
    @Nullable Replica get(GroupId id) {
        return table.get(id);
    }

    @Override
    public Replica replica(GroupId id) {
        Replica replica = table.get(id);
        if (replica == null) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "node " + node + " has no open replica of group " + id);
        }
        return replica;
    }

    /// Those that are open.
    @Override
    public List<Replica> replicas() {
        return table.open();
    }

    /// All replicas on this node, quarantined ones included.
    @Override
    public List<ReplicaStatus> status() {
        List<ReplicaStatus> all = new ArrayList<>();
        table.forEach((id, entry) -> {
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

    /// Closes all of them.
    public void close() {
        closed = true;
        for (GroupId id : table.groups()) {
            try {
                close(id);
            } catch (CisternException e) {
                log.info("group {} is closed by who is at it: {}", id, e.getMessage());
            }
        }
    }
}
