package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Leadership;
import io.cistern.raft.LogPosition;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.storage.CorruptBlocksException;
import io.cistern.storage.Disk;
import io.cistern.storage.GranuleData;
import io.cistern.storage.Store;
import io.cistern.storage.Usage;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A replica and everything that works for it: opened by [GroupHost], told by Raft, ticked by the
/// node's timer.
///
/// ```
/// OPENED --start(raft)--> RUNNING --close--> CLOSED
/// ```
final class Replica implements VolumeStateMachine.Listener {
    private static final Logger log = LoggerFactory.getLogger(Replica.class);

    private static final long MAX_PAUSE_MILLIS = 5_000;

    /// After how many attempts to begin a copy Raft is told, less one.
    private static final int UNTOUCHED_ATTEMPTS = 3;

    private final GroupId id;
    private final Peer self;
    private final Store store;
    private final Disk disk;
    private final BiConsumer<GroupId, Throwable> damaged;
    private final NodeParts node;
    private final VolumeStateMachine machine;
    private final CopySource source;
    private final CopyReceiver receiver;
    private final Cuts cuts;
    private final LongAdder userRequests = new LongAdder();
    private final IoMeter io;
    private final CompletableFuture<Running> running = new CompletableFuture<>();
    private volatile long leaderApplied = -1;
    private volatile boolean closed;

    /// What exists once Raft runs.
    record Running(
            ReplicaParts parts,
            ReadPath reads,
            WritePath writes,
            SpaceMonitor space,
            BlockRepair repair,
            Scrubber scrubber,
            Verifier verifier,
            GroupReplica service) {}

    /// @param damaged told when the store turns out to be damaged
    Replica(
            GroupId id,
            Peer self,
            Store store,
            Disk disk,
            BiConsumer<GroupId, Throwable> damaged,
            NodeParts node) {
        this.id = id;
        this.self = self;
        this.store = store;
        this.disk = disk;
        this.damaged = damaged;
        this.node = node;
        this.machine = new VolumeStateMachine(store, this, node.tuning(), node.threads()::nanoTime);
        this.io = new IoMeter(() -> node.threads().nanoTime());
        this.source = new CopySource(store, () -> running().repair, this::matched, io, node);
        this.receiver = new CopyReceiver(id, store, node);
        this.cuts = new Cuts(store, machine, node);
    }

    GroupId id() {
        return id;
    }

    /// How many requests users have made here.
    long userRequests() {
        return userRequests.sum();
    }

    Peer self() {
        return self;
    }

    Store store() {
        return store;
    }

    Disk disk() {
        return disk;
    }

    VolumeStateMachine machine() {
        return machine;
    }

    CopySource source() {
        return source;
    }

    CopyReceiver receiver() {
        return receiver;
    }

    Cuts cuts() {
        return cuts;
    }

    void start(RaftGroup raft) {
        ReplicaParts parts =
                new ReplicaParts(store, machine, raft, node, e -> damaged.accept(id, e));
        BlockRepair repair = new BlockRepair(parts);
        ReadPath reads = new ReadPath(parts, repair);
        SpaceGuard guard = new SpaceGuard();
        guard.update(store.usage());
        WritePath writes = new WritePath(parts, reads, new Admissions(parts, guard));
        Running started =
                new Running(
                        parts,
                        reads,
                        writes,
                        new SpaceMonitor(parts, guard),
                        repair,
                        new Scrubber(parts, repair, userRequests::sum),
                        new Verifier(parts, repair, reads),
                        new GroupReplica(
                                parts,
                                reads,
                                writes,
                                new ShareService(parts, reads, writes, guard),
                                userRequests,
                                io));
        synchronized (running) {
            if (!closed) {
                running.complete(started);
                return;
            }
        }
        raft.close(); // it was opened while this was being closed
    }

    /// @throws CisternException UNAVAILABLE before [#start]
    Running running() {
        Running now = running.getNow(null);
        if (now == null) {
            throw new CisternException(
                    ErrorCode.UNAVAILABLE, "the replica of group " + id + " is being opened");
        }
        return now;
    }

    /// The regular work, about once a second, on the timer: must not block.
    void tick() {
        Running now = running.getNow(null);
        if (now == null || closed) {
            return;
        }
        if (source.oldest() != null) {
            NodeParts.supply(
                    node.workers(),
                    () -> {
                        source.expire();
                        return true;
                    });
        }
        cuts.expire();
        source.restNanos();
        now.writes.tidy();
        io.retain(volume -> store.volume(volume) != null);
        now.scrubber.tick();
        if (now.parts.raft().leadership().ready()) {
            now.space.poll();
            if (machine.checkpointOverdue()) {
                // An empty entry gives every member's apply thread the occasion.
                now.parts.raft().awaitLease();
            }
        }
    }

    /// Answers a leader that asks for this replica's space.
    Usage space(long leaderAppliedIndex) {
        leaderApplied = leaderAppliedIndex;
        return store.usage();
    }

    /// Up to where the member on a node has the log: -1 where this replica does not lead.
    private long matched(String node) {
        RaftGroup raft = raft();
        if (raft == null) {
            return -1;
        }
        Map<String, RaftGroup.Stats.Follower> followers = raft.stats().followerIndexes();
        for (Peer member : raft.dataMembers()) {
            RaftGroup.Stats.Follower follower = followers.get(member.id());
            if (follower != null && member.node().equals(node)) {
                return follower.matchIndex();
            }
        }
        return -1;
    }

    /// Begins a copy of this replica for another.
    ///
    /// @param receiver node that the other one is on
    WireCopy.Opened openCopy(String receiver) {
        if (!running().reads.readable() || machine.appliedIndex() < 0) {
            // One that waits to join has applied nothing, and its state is nobody's.
            throw new CisternException(
                    ErrorCode.STALE, self.id() + " is catching up itself; copy from another");
        }
        return source.open(receiver);
    }

    /// Blocks for a peer whose own are damaged. Blocks on the disk.
    GranuleData fetch(WirePeer.FetchBlocks request) {
        long applied = machine.appliedIndex();
        if (applied < request.minIndex()) {
            throw new CisternException(
                    ErrorCode.STALE,
                    self.id() + " is at index " + applied + ", before " + request.minIndex());
        }
        if (!running().reads.readable()) {
            throw new CisternException(ErrorCode.STALE, self.id() + " is catching up");
        }
        try {
            return store.readGranule(request.view(), request.granule());
        } catch (CorruptBlocksException alsoHere) {
            throw new CisternException(
                    ErrorCode.CORRUPT, "damaged there too: " + alsoHere.getMessage(), alsoHere);
        }
    }

    @Override
    public void leadershipChanged(Leadership leadership) {
        log.info(
                "group {} on {}: term {}, leader {}{}",
                id,
                self.node(),
                leadership.term(),
                leadership.leader() == null ? "unknown" : leadership.leader().id(),
                leadership.ready() ? ", ready" : "");
        if (leadership.ready()) {
            running.thenAccept(now -> now.space.poll());
        }
    }

    @Override
    public void membersChanged(List<Peer> members) {
        log.info(
                "group {} on {}: members are now {}",
                id,
                self.node(),
                members.stream().map(Peer::id).toList());
    }

    @Override
    public CompletableFuture<LogPosition> install(Peer leader, LogPosition firstAvailable) {
        log.info(
                "group {} on {}: {} has no log before {}, copying its state",
                id,
                self.node(),
                leader.id(),
                firstAvailable);
        CompletableFuture<LogPosition> done = new CompletableFuture<>();
        node.threads()
                .start("copy-" + id + "-" + self.id(), () -> install(leader, firstAvailable, done));
        return done;
    }

    /// Goes on until it succeeds or the replica is closed, if a copy has begun: nothing may be
    /// applied then before it is complete. Where none could begin it fails, and Raft asks again.
    /// Where the leader does not answer any more, another member's state will do: with the leader
    /// lost, this replica may be the one that a majority lacks, and no other leader can commit
    /// anything while it waits.
    private void install(
            Peer leader, LogPosition firstAvailable, CompletableFuture<LogPosition> done) {
        Running now = running.getNow(null);
        if (now != null) {
            now.reads.suspend(true);
        }
        long pauseMillis = 50;
        for (int attempt = 0; ; attempt++) {
            String source = source(leader, now, attempt);
            try {
                LogPosition reached = receiver.copy(source, firstAvailable.index() - 1);
                if (now != null) {
                    now.reads.suspend(false);
                }
                done.complete(reached);
                return;
            } catch (CisternException e) {
                log.warn(
                        "copying group {} from {} to {}: {}",
                        id,
                        source,
                        self.node(),
                        e.getMessage());
            } catch (RuntimeException e) {
                log.error("copying group {} from {}", id, source, e);
            }
            if (!store.importing() && attempt >= UNTOUCHED_ATTEMPTS) {
                // What is here is whole: with the log it has it may be what the group needs.
                if (now != null) {
                    now.reads.suspend(false);
                }
                done.completeExceptionally(
                        new CisternException(
                                ErrorCode.UNAVAILABLE, "no copy of " + id + " could begin"));
                return;
            }
            if (closed || !node.threads().sleep(TimeUnit.MILLISECONDS.toNanos(pauseMillis))) {
                done.completeExceptionally(
                        new CisternException(
                                ErrorCode.UNAVAILABLE, "the replica of " + id + " was closed"));
                return;
            }
            pauseMillis = Math.min(MAX_PAUSE_MILLIS, 2 * pauseMillis);
        }
    }

    /// The node to copy from: the leader that asked for it, then by turns who leads now and every
    /// member.
    private String source(Peer leader, @Nullable Running now, int attempt) {
        if (now == null || attempt == 0) {
            return leader.node();
        }
        Set<String> nodes = new LinkedHashSet<>();
        Peer present = now.parts().raft().leadership().leader();
        if (present != null) {
            nodes.add(present.node());
        }
        nodes.add(leader.node());
        now.parts().raft().dataMembers().forEach(member -> nodes.add(member.node()));
        nodes.remove(self.node());
        List<String> choice = List.copyOf(nodes);
        return choice.isEmpty() ? leader.node() : choice.get((attempt - 1) % choice.size());
    }

    @Override
    public @Nullable LogPosition logNeededFrom() {
        return source.oldest();
    }

    ReplicaStatus status() {
        Running now = running.getNow(null);
        long applied = machine.appliedIndex();
        Leadership leadership =
                now == null ? new Leadership(0, null, false) : now.parts.raft().leadership();
        Peer leader = leadership.leader();
        boolean serves = now != null && now.reads.readable();
        ReplicaStatus.Role role =
                leadership.ready()
                        ? ReplicaStatus.Role.LEADER
                        : serves ? ReplicaStatus.Role.FOLLOWER : ReplicaStatus.Role.CATCHING_UP;
        return new ReplicaStatus(
                id,
                self.id(),
                self.node(),
                role,
                leader == null ? null : leader.id(),
                leadership.term(),
                applied,
                leadership.ready()
                        ? 0
                        : leaderApplied < 0 ? -1 : Math.max(0, leaderApplied - applied),
                store.checkpointed().index(),
                now == null ? ReplicaStatus.Log.NONE : log(now.parts.raft().stats()),
                store.usage(),
                now == null
                        ? ReplicaStatus.Repairs.NONE
                        : new ReplicaStatus.Repairs(
                                now.repair.damagedBlocks(),
                                now.repair.repairedBlocks(),
                                receiver.copiedBytes()),
                receiver.progress(),
                now == null ? null : now.scrubber.progress(),
                null);
    }

    /// Null before [#start].
    @Nullable ReplicaActivity activity() {
        Running now = running.getNow(null);
        if (now == null) {
            return null;
        }
        boolean leads = now.parts.raft().leadership().ready();
        return new ReplicaActivity(
                id,
                leads,
                leads ? now.space.behind() : Map.of(),
                io.snapshot(),
                store.activity(),
                now.scrubber.activity(),
                store.volumes());
    }

    private static ReplicaStatus.Log log(RaftGroup.Stats stats) {
        return new ReplicaStatus.Log(
                stats.fsyncs(), stats.commands(), stats.logBytesWritten(), stats.logBytes());
    }

    @Nullable GroupReplica service() {
        Running now = running.getNow(null);
        return now == null ? null : now.service;
    }

    @Nullable RaftGroup raft() {
        Running now = running.getNow(null);
        return now == null ? null : now.parts.raft();
    }

    /// Ends what runs beside Raft.
    void stop() {
        synchronized (running) {
            closed = true;
        }
        receiver.stop();
        cuts.stop();
        Running now = running.getNow(null);
        if (now != null) {
            now.scrubber.stop();
        }
        source.closeAll();
    }

    /// Stops everything: Raft, then the store. Blocks.
    void close() {
        stop();
        RaftGroup raft = raft();
        try {
            if (raft != null) {
                raft.close();
            }
        } finally {
            store.close();
        }
    }
}
