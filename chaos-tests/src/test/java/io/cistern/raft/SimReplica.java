package io.cistern.raft;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.chaos.sim.Killed;
import io.cistern.chaos.sim.Machine;
import io.cistern.chaos.sim.Sim;
import io.cistern.raft.SimJournal.Entry;
import io.cistern.raft.SimJournal.Members;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// Raft as the paper has it, with what the real replicas rely on beside: a pre-vote, a leader that
/// steps down where it hears from no majority, purging, and installs by the state machine. Leases,
/// batches' failures, waiters and entries are the real ones.
///
/// Runs in its machine's events, one at a time.
final class SimReplica implements RaftGroup {
    private static final int MAX_ENTRIES = 8;
    private static final int MAX_IN_FLIGHT = 2;
    private static final int LEASE_ATTEMPTS = 3;
    private static final long MOST_HELD_NANOS = 2_000_000_000;

    private enum Role {
        FOLLOWER,
        CANDIDATE,
        LEADER
    }

    private static final class Follower {
        long next;
        long match = -1;
        long heard;
    }

    private final SimRaft raft;
    private final Sim sim;
    private final Machine machine;
    private final GroupId id;
    private final Peer self;
    private final SimJournal journal;
    private final StateMachine target;
    private final LeadershipTracker leadership;
    private final AppliedWaiters waiters;
    private final long lastAtOpen;
    private final Object incarnation = new Object();

    private Role role = Role.FOLLOWER;
    private @Nullable Peer leader;
    private long leaderHeard;
    private int timerGeneration;
    private Set<String> votes = new HashSet<>();
    private final Map<String, Follower> followers = new TreeMap<>();
    private long firstOfTerm = -1;

    private long commit;
    private long applied;
    private boolean applying;

    /// The state machine has an entry, and may wait.
    private boolean busy;

    private boolean installing;
    private boolean failed;
    private boolean closed;

    private boolean syncing;
    private long syncUpTo;
    private final List<Runnable> afterSync = new ArrayList<>();

    private final ArrayDeque<Batch.Proposal> queue = new ArrayDeque<>();
    private @Nullable CompletableFuture<Applied> marker;
    private final Map<Long, Batch> inFlight = new TreeMap<>();
    private long nextCall;
    private long commands;

    @Nullable Runnable onAppend;

    /// Until then some commands are held; to the next election, or for as long as they may be.
    private long holdUntil;

    private final List<Runnable> held = new ArrayList<>();
    private final Map<Long, CompletableFuture<Void>> memberChanges = new HashMap<>();

    SimReplica(SimRaft raft, GroupId id, Peer self, SimJournal journal, StateMachine target) {
        this.raft = raft;
        this.sim = raft.shared.sim;
        this.machine = raft.machine;
        this.id = id;
        this.self = self;
        this.journal = journal;
        this.target = target;
        LogPosition durable = target.checkpointed();
        if (durable.index() < journal.base - 1) {
            raft.shared.violation(
                    self.id()
                            + " purged its log up to "
                            + (journal.base - 1)
                            + " but its state stands at "
                            + durable.index());
        }
        if (durable.index() > journal.last()) {
            journal.reset(durable, journal.members());
        }
        journal.synced = journal.last();
        this.lastAtOpen = journal.last();
        this.commit = Math.max(durable.index(), knownCommitted());
        this.applied = durable.index();
        this.waiters = new AppliedWaiters(raft.timer);
        waiters.advanceTo(applied);
        this.leadership =
                new LeadershipTracker(
                        self.id(),
                        raft.timings,
                        machine::nanoTime,
                        raft.timer,
                        change ->
                                sim.after(
                                        machine,
                                        sim.between(0, 50_000),
                                        () -> {
                                            if (!closed) {
                                                target.leadershipChanged(change);
                                            }
                                        }));
    }

    void start() {
        restartElectionTimer();
        purgeLater();
        applyLater();
    }

    /// As the real replicas: each entry names an index that was committed before it.
    private long knownCommitted() {
        for (long index = journal.last(); index >= journal.base; index--) {
            Entry entry = journal.get(index);
            if (entry.members() == null && !entry.first()) {
                return RaftEntry.committed(ByteBuffer.wrap(entry.data()));
            }
        }
        return -1;
    }

    private void run(long nanos, Runnable task) {
        sim.after(
                machine,
                nanos,
                () -> {
                    if (!closed && !failed) {
                        task.run();
                    }
                });
    }

    private void runOwn(long nanos, Runnable task) {
        run((long) (nanos / machine.rate()), task);
    }

    private Peer peer(String peerId) {
        for (Peer member : members()) {
            if (member.id().equals(peerId)) {
                return member;
            }
        }
        throw new IllegalStateException(peerId + " is no member");
    }

    List<String> voters() {
        return journal.members().voters().stream().map(Peer::id).toList();
    }

    private boolean voter() {
        return journal.members().voters().stream().anyMatch(p -> p.id().equals(self.id()));
    }

    private boolean majority(Set<String> who) {
        List<Peer> voters = journal.members().voters();
        long count = voters.stream().filter(p -> who.contains(p.id())).count();
        return count * 2 > voters.size();
    }

    // ---- elections

    private void restartElectionTimer() {
        int generation = ++timerGeneration;
        long wait =
                sim.between(
                        raft.timings.electionMin().toNanos(), raft.timings.electionMax().toNanos());
        runOwn(
                wait,
                () -> {
                    if (generation == timerGeneration && role != Role.LEADER) {
                        timedOut();
                    }
                });
    }

    private void timedOut() {
        restartElectionTimer();
        if (!voter() || installing) {
            return;
        }
        if (role == Role.FOLLOWER && leader != null) {
            leader = null;
            leadership.leaderIs(journal.term, null);
        }
        long term = journal.term;
        Set<String> granted = new HashSet<>(Set.of(self.id()));
        if (majority(granted)) {
            elect();
            return;
        }
        long last = journal.last();
        long lastTerm = journal.lastTerm();
        for (Peer other : others()) {
            raft.send(
                    id,
                    other,
                    (there, m) -> there.preVote(self, term + 1, last, lastTerm, granted));
        }
    }

    private List<Peer> others() {
        return journal.members().voters().stream().filter(p -> !p.id().equals(self.id())).toList();
    }

    private void preVote(Peer candidate, long term, long last, long lastTerm, Set<String> granted) {
        boolean hearsLeader =
                role == Role.LEADER
                        || (leader != null
                                && machine.nanoTime() - leaderHeard
                                        < raft.timings.electionMin().toNanos());
        if (term > journal.term && upToDate(last, lastTerm) && !hearsLeader) {
            raft.send(
                    id,
                    candidate,
                    (there, m) -> {
                        if (there.journal.term == term - 1 && there.role != Role.LEADER) {
                            boolean before = there.majority(granted);
                            granted.add(self.id());
                            if (!before && there.majority(granted)) {
                                there.elect();
                            }
                        }
                    });
        }
    }

    private boolean upToDate(long last, long lastTerm) {
        return lastTerm > journal.lastTerm()
                || (lastTerm == journal.lastTerm() && last >= journal.last());
    }

    void elect() {
        if (!voter() || installing) {
            return;
        }
        stepDown(journal.term + 1, null);
        role = Role.CANDIDATE;
        journal.votedFor = self.id();
        votes = new HashSet<>(Set.of(self.id()));
        restartElectionTimer();
        long term = journal.term;
        if (majority(votes)) {
            lead();
            return;
        }
        long last = journal.last();
        long lastTerm = journal.lastTerm();
        for (Peer other : others()) {
            raft.send(id, other, (there, m) -> there.vote(self, term, last, lastTerm));
        }
    }

    private void vote(Peer candidate, long term, long last, long lastTerm) {
        if (term > journal.term) {
            stepDown(term, null);
        }
        boolean grant =
                term == journal.term
                        && (journal.votedFor == null || journal.votedFor.equals(candidate.id()))
                        && upToDate(last, lastTerm);
        if (!grant) {
            return;
        }
        journal.votedFor = candidate.id();
        restartElectionTimer();
        // The vote is on disk before it is told.
        run(
                sim.between(50_000, raft.disk.syncNanos()),
                () ->
                        raft.send(
                                id,
                                candidate,
                                (there, m) -> {
                                    if (there.role == Role.CANDIDATE
                                            && there.journal.term == term) {
                                        there.votes.add(self.id());
                                        if (there.majority(there.votes)) {
                                            there.lead();
                                        }
                                    }
                                }));
    }

    private void lead() {
        role = Role.LEADER;
        leader = self;
        raft.shared.elected();
        followers.clear();
        leadership.leaderIs(journal.term, self);
        firstOfTerm = journal.last() + 1;
        append(new Entry(journal.term, new byte[0], null, null, 0));
        heartbeats(journal.term);
        watchMajority(journal.term);
        held.forEach(command -> run(sim.between(0, 250_000_000), command));
        held.clear();
        holdUntil = 0;
    }

    void holdCommands(long nanos) {
        holdUntil = sim.now() + nanos;
    }

    private void stepDown(long term, @Nullable Peer newLeader) {
        boolean led = role == Role.LEADER;
        if (term > journal.term) {
            journal.term = term;
            journal.votedFor = null;
        }
        role = Role.FOLLOWER;
        if (led) {
            leadership.stoppedLeading();
            failAll();
            memberChanges.values().forEach(f -> f.completeExceptionally(changed()));
            memberChanges.clear();
            restartElectionTimer();
        }
        if (newLeader == null ? leader != null : !newLeader.equals(leader) || led) {
            leader = newLeader;
            leadership.leaderIs(journal.term, newLeader);
        }
    }

    private static CisternException changed() {
        return new CisternException(
                ErrorCode.UNAVAILABLE,
                "the leader changed while the command was on its way; it may or may not take effect");
    }

    /// A leader that no majority answers gives up.
    private void watchMajority(long term) {
        runOwn(
                raft.timings.electionMax().toNanos(),
                () -> {
                    if (role != Role.LEADER || journal.term != term) {
                        return;
                    }
                    Set<String> heard = new HashSet<>(Set.of(self.id()));
                    long now = machine.nanoTime();
                    followers.forEach((peer, f) -> {
                        if (now - f.heard < raft.timings.electionMax().toNanos()) {
                            heard.add(peer);
                        }
                    });
                    if (majority(heard)) {
                        watchMajority(term);
                    } else {
                        stepDown(term, null);
                    }
                });
    }

    // ---- replication, leader

    private void append(Entry entry) {
        journal.entries.add(entry);
        Runnable strike = onAppend;
        if (strike != null && !entry.first()) {
            onAppend = null;
            strike.run();
        }
        if (entry.members() != null) {
            membersMoved();
        }
        sync(this::advanceCommit);
        replicateAll();
    }

    private void membersMoved() {
        List<Peer> now = members();
        sim.after(
                machine,
                10_000,
                () -> {
                    if (!closed) {
                        target.membersChanged(now);
                    }
                });
    }

    private void heartbeats(long term) {
        if (role == Role.LEADER && journal.term == term) {
            replicateAll();
            runOwn(raft.timings.electionMin().toNanos() / 2, () -> heartbeats(term));
        }
    }

    private void replicateAll() {
        for (Peer member : members()) {
            if (!member.id().equals(self.id())) {
                replicate(member);
            }
        }
    }

    private void replicate(Peer to) {
        Follower f =
                followers.computeIfAbsent(
                        to.id(),
                        peer -> {
                            Follower fresh = new Follower();
                            fresh.next = journal.last() + 1;
                            return fresh;
                        });
        long term = journal.term;
        if (f.next < journal.base) {
            LogPosition first = new LogPosition(term, journal.base);
            Members members = journal.baseMembers;
            raft.send(id, to, (there, m) -> there.installFrom(self, term, first, members));
            return;
        }
        long previous = f.next - 1;
        long previousTerm = journal.termAt(previous);
        int count = (int) Math.min(MAX_ENTRIES, journal.last() - previous);
        List<Entry> entries =
                List.copyOf(
                        journal.entries.subList(
                                (int) (f.next - journal.base),
                                (int) (f.next - journal.base) + Math.max(0, count)));
        long committed = commit;
        raft.send(
                id,
                to,
                (there, m) ->
                        there.appendFrom(self, term, previous, previousTerm, entries, committed));
    }

    private void appended(Peer from, long term, boolean success, long match, long hint) {
        if (term > journal.term) {
            stepDown(term, null);
            return;
        }
        Follower f = followers.get(from.id());
        if (role != Role.LEADER || term != journal.term || f == null) {
            return;
        }
        f.heard = machine.nanoTime();
        if (success) {
            f.match = Math.max(f.match, match);
            f.next = Math.max(f.next, f.match + 1);
            advanceCommit();
            if (f.next <= journal.last()) {
                replicate(from);
            }
        } else {
            f.next = Math.max(f.match + 1, Math.min(f.next, hint));
            replicate(from);
        }
    }

    private void advanceCommit() {
        if (role != Role.LEADER) {
            return;
        }
        List<Peer> voters = journal.members().voters();
        long[] matches = new long[voters.size()];
        for (int i = 0; i < matches.length; i++) {
            Peer voter = voters.get(i);
            Follower f = followers.get(voter.id());
            matches[i] = voter.id().equals(self.id()) ? journal.synced : f == null ? -1 : f.match;
        }
        Arrays.sort(matches);
        long agreed = matches[(matches.length - 1) / 2];
        if (agreed > commit && journal.termAt(agreed) == journal.term) {
            committed(Math.min(agreed, journal.synced));
        }
    }

    // ---- replication, follower

    private void follow(Peer from, long term) {
        if (term > journal.term || role != Role.FOLLOWER || !from.equals(leader)) {
            stepDown(term, from);
        }
        leaderHeard = machine.nanoTime();
        restartElectionTimer();
    }

    private void appendFrom(
            Peer from,
            long term,
            long previous,
            long previousTerm,
            List<Entry> entries,
            long leaderCommit) {
        if (term < journal.term) {
            long mine = journal.term;
            raft.send(id, from, (there, m) -> there.appended(self, mine, false, -1, 0));
            return;
        }
        if (term == journal.term && role == Role.LEADER) {
            raft.shared.violation("two leaders in term " + term);
            return;
        }
        follow(from, term);
        if (installing) {
            return;
        }
        long lastNew = previous + entries.size();
        boolean fits = previous < journal.base - 1 || journal.termAt(previous) == previousTerm;
        if (!fits) {
            long hint = Math.min(journal.last() + 1, Math.max(journal.base, previous));
            raft.send(id, from, (there, m) -> there.appended(self, term, false, -1, hint));
            return;
        }
        long index = previous + 1;
        boolean members = false;
        for (Entry entry : entries) {
            if (index >= journal.base) {
                if (journal.holds(index) && journal.get(index).term() != entry.term()) {
                    if (index <= commit) {
                        raft.shared.violation(
                                self.id() + " was told to overwrite committed entry " + index);
                        return;
                    }
                    journal.truncate(index);
                    syncUpTo = Math.min(syncUpTo, index - 1);
                    members = true;
                }
                if (!journal.holds(index)) {
                    journal.entries.add(entry);
                    members |= entry.members() != null;
                }
            }
            index++;
        }
        if (members) {
            membersMoved();
        }
        sync(() -> {
            if (journal.term != term) {
                return;
            }
            long match = Math.min(lastNew, journal.synced);
            committed(Math.min(leaderCommit, match));
            raft.send(id, from, (there, m) -> there.appended(self, term, true, match, 0));
        });
    }

    /// Runs `then` once all that is in the log now is synced.
    private void sync(Runnable then) {
        afterSync.add(then);
        if (!syncing) {
            startSync();
        }
    }

    private void startSync() {
        List<Runnable> waiting = List.copyOf(afterSync);
        afterSync.clear();
        if (journal.synced == journal.last()) {
            waiting.forEach(Runnable::run);
            return;
        }
        syncing = true;
        syncUpTo = journal.last();
        long usual = sim.between(raft.disk.syncNanos() / 10, raft.disk.syncNanos());
        long takes = sim.chance(raft.disk.slowSync()) ? usual * 100 : usual;
        run(
                takes,
                () -> {
                    syncing = false;
                    journal.synced = Math.max(journal.synced, Math.min(syncUpTo, journal.last()));
                    waiting.forEach(Runnable::run);
                    if (!afterSync.isEmpty() && !syncing) {
                        startSync();
                    }
                });
    }

    // ---- installs and purging

    private void installFrom(Peer from, long term, LogPosition first, Members members) {
        if (term < journal.term) {
            return;
        }
        follow(from, term);
        if (installing || busy) {
            return;
        }
        if (first.index() - 1 <= applied) {
            long next = applied + 1;
            raft.send(id, from, (there, m) -> there.installed(self, term, next));
            return;
        }
        installing = true;
        CompletableFuture<LogPosition> reached;
        try {
            reached = target.install(from, first);
        } catch (RuntimeException e) {
            reached = CompletableFuture.failedFuture(e);
        }
        reached.whenComplete((position, failure) ->
                run(
                        0,
                        () -> {
                            installing = false;
                            if (failure == null) {
                                journal.reset(position, members);
                                journal.synced = Math.max(journal.synced, journal.base - 1);
                                applied = position.index();
                                commit = Math.max(commit, applied);
                                waiters.advanceTo(applied);
                                long next = applied + 1;
                                raft.send(
                                        id, from, (there, m) -> there.installed(self, term, next));
                            }
                            applyLater();
                        }));
    }

    private void installed(Peer from, long term, long next) {
        Follower f = followers.get(from.id());
        if (role == Role.LEADER && journal.term == term && f != null) {
            f.heard = machine.nanoTime();
            f.next = Math.max(f.next, next);
            replicate(from);
        }
    }

    private void purgeLater() {
        runOwn(
                sim.between(100_000_000, 300_000_000),
                () -> {
                    if (!installing) {
                        LogPosition durable = target.checkpointed();
                        long last = durable.index() - raft.purgeGap;
                        if (last >= journal.base && durable.index() <= applied) {
                            journal.purge(new LogPosition(journal.termAt(last), last));
                        }
                    }
                    purgeLater();
                });
    }

    // ---- applying

    private void committed(long index) {
        if (index > commit) {
            commit = index;
            applyLater();
        }
    }

    private void applyLater() {
        if (!applying && !installing && applied < commit && journal.holds(applied + 1)) {
            applying = true;
            run(
                    sim.between(5_000, 200_000),
                    () -> {
                        applying = false;
                        if (!installing && applied < commit && journal.holds(applied + 1)) {
                            apply(applied + 1);
                            applyLater();
                        }
                    });
        }
    }

    private void apply(long index) {
        Entry entry = journal.get(index);
        LogPosition position = new LogPosition(entry.term(), index);
        List<@Nullable Object> results = List.of();
        applying = true;
        busy = true;
        try {
            if (entry.members() != null || entry.first()) {
                target.advance(position);
            } else {
                List<ByteBuffer> content = RaftEntry.decode(ByteBuffer.wrap(entry.data()));
                if (content.isEmpty()) {
                    target.advance(position);
                } else {
                    results = target.apply(position, content);
                    commands += results.size();
                }
            }
        } catch (Killed dead) {
            throw dead;
        } catch (Throwable e) {
            failed = true;
            raft.halt.halt("applying entry " + index + " of group " + id + " failed", e);
            return;
        } finally {
            applying = false;
            busy = false;
        }
        applied = index;
        waiters.advanceTo(index);
        if (entry.proposer() == incarnation) {
            Batch batch = inFlight.remove(entry.call());
            if (batch != null) {
                leadership.committed(position.term(), batch.proposedNanos);
                batch.complete(position, results);
                pumpLater();
            }
        }
        if (role == Role.LEADER && index == firstOfTerm) {
            leadership.ownEntryApplied(journal.term);
        }
        CompletableFuture<Void> change = memberChanges.remove(index);
        if (change != null) {
            change.complete(null);
        }
    }

    // ---- proposals

    private void failAll() {
        List<Batch.Proposal> waiting = List.copyOf(queue);
        queue.clear();
        marker = null;
        List<Batch> lost = List.copyOf(inFlight.values());
        inFlight.clear();
        CisternException notLeader = notLeader();
        sim.after(
                machine,
                sim.between(0, 100_000),
                () -> {
                    lost.forEach(batch -> batch.fail(changed()));
                    waiting.forEach(p -> p.done().completeExceptionally(notLeader));
                });
    }

    private CisternException notLeader() {
        return new CisternException(
                ErrorCode.NOT_LEADER, "node " + self.node() + " does not lead " + id);
    }

    @Override
    public CompletableFuture<Applied> propose(RaftCommand command) {
        if (closed || failed || !leadership.current().ready()) {
            return CompletableFuture.failedFuture(notLeader());
        }
        CompletableFuture<Applied> done = new CompletableFuture<>();
        queue.add(new Batch.Proposal(command, done));
        pumpLater();
        return done;
    }

    private void pumpLater() {
        if (!queue.isEmpty() && inFlight.size() < MAX_IN_FLIGHT) {
            run(sim.between(1_000, 60_000), this::pump);
        }
    }

    private void pump() {
        if (queue.isEmpty() || inFlight.size() >= MAX_IN_FLIGHT) {
            return;
        }
        List<Batch.Proposal> proposals = new ArrayList<>();
        int most = 1 + sim.random().nextInt(32);
        while (!queue.isEmpty() && proposals.size() < most) {
            proposals.add(queue.remove());
        }
        if (proposals.stream().anyMatch(p -> p.done() == marker)) {
            marker = null;
        }
        Batch batch = new Batch(++nextCall, proposals, machine.nanoTime());
        inFlight.put(batch.callId, batch);
        byte[] entry = Objects.requireNonNull(batch.encode());
        long proposedIn = journal.term;
        Runnable submit =
                () -> {
                    if (role == Role.LEADER) {
                        if (journal.term != proposedIn) {
                            raft.shared.overdue++;
                        }
                        RaftEntry.stampCommitted(entry, applied);
                        append(new Entry(journal.term, entry, null, incarnation, batch.callId));
                    } else if (inFlight.remove(batch.callId) != null) {
                        batch.fail(notLeader());
                    }
                };
        if (sim.now() < holdUntil && sim.chance(0.5)) {
            held.add(submit);
            run(
                    MOST_HELD_NANOS,
                    () -> {
                        if (held.remove(submit)) {
                            submit.run();
                        }
                    });
        } else {
            run(
                    sim.chance(0.01) ? sim.between(0, 300_000_000) : sim.between(1_000, 50_000),
                    submit);
        }
        pumpLater();
    }

    @Override
    public boolean leaseValid() {
        return leadership.leaseValid();
    }

    @Override
    public CompletableFuture<Void> awaitLease() {
        if (leadership.leaseValid()) {
            return CompletableFuture.completedFuture(null);
        }
        if (closed || failed || !leadership.current().ready()) {
            return CompletableFuture.failedFuture(notLeader());
        }
        return renewLease(LEASE_ATTEMPTS);
    }

    private CompletableFuture<Applied> touch() {
        CompletableFuture<Applied> known = marker;
        if (known != null) {
            return known;
        }
        CompletableFuture<Applied> fresh = new CompletableFuture<>();
        marker = fresh;
        queue.add(new Batch.Proposal(null, fresh));
        pumpLater();
        return fresh;
    }

    private CompletableFuture<Void> renewLease(int attempts) {
        return touch().thenCompose(done -> {
            if (leadership.leaseValid()) {
                return CompletableFuture.completedFuture(null);
            }
            if (attempts > 1 && leadership.current().ready()) {
                return renewLease(attempts - 1);
            }
            return CompletableFuture.failedFuture(
                    new CisternException(ErrorCode.UNAVAILABLE, "could not renew the lease"));
        });
    }

    // ---- the rest of the contract

    @Override
    public GroupId id() {
        return id;
    }

    @Override
    public Peer self() {
        return self;
    }

    @Override
    public List<Peer> members() {
        return journal.members().all();
    }

    @Override
    public Leadership leadership() {
        return leadership.current();
    }

    @Override
    public long appliedIndex() {
        return waiters.applied();
    }

    @Override
    public CompletableFuture<Void> awaitApplied(long index, Duration timeout) {
        return waiters.await(index, timeout);
    }

    @Override
    public long lastIndexAtOpen() {
        return lastAtOpen;
    }

    @Override
    public CompletableFuture<Void> transferLeadership(String peerId, Duration timeout) {
        if (!leadership.current().ready()) {
            return CompletableFuture.failedFuture(notLeader());
        }
        leadership.transferBegins();
        CompletableFuture<Void> over = new CompletableFuture<>();
        Follower f = followers.get(peerId);
        if (f != null && f.match == journal.last()) {
            raft.send(id, peer(peerId), (there, m) -> there.elect());
        }
        run(
                timeout.toNanos(),
                () -> {
                    leadership.transferEnded();
                    over.complete(null);
                });
        return over;
    }

    @Override
    public CompletableFuture<Void> setMembers(List<Peer> voters, List<Peer> listeners) {
        if (!leadership.current().ready()) {
            return CompletableFuture.failedFuture(notLeader());
        }
        Members before = journal.members();
        Set<String> now = new HashSet<>();
        voters.forEach(p -> now.add(p.id()));
        Set<String> old = new HashSet<>();
        before.voters().forEach(p -> old.add(p.id()));
        Set<String> moved = new HashSet<>(now);
        moved.removeAll(old);
        Set<String> gone = new HashSet<>(old);
        gone.removeAll(now);
        if (moved.size() + gone.size() > 1) {
            throw new IllegalArgumentException("one voter at a time");
        }
        for (long i = commit + 1; i <= journal.last(); i++) {
            if (journal.get(i).members() != null) {
                return CompletableFuture.failedFuture(
                        new CisternException(ErrorCode.UNAVAILABLE, "another change is under way"));
            }
        }
        CompletableFuture<Void> done = new CompletableFuture<>();
        memberChanges.put(journal.last() + 1, done);
        append(
                new Entry(
                        journal.term,
                        new byte[0],
                        new Members(List.copyOf(voters), List.copyOf(listeners)),
                        null,
                        0));
        return done;
    }

    @Override
    public Stats stats() {
        Map<String, Stats.Follower> matches = new TreeMap<>();
        if (role == Role.LEADER) {
            long now = machine.nanoTime();
            followers.forEach((peer, f) ->
                    matches.put(peer, new Stats.Follower(f.match, (now - f.heard) / 1_000_000)));
        }
        return new Stats(0, journal.last(), commands, 0, 0, journal.base - 1, matches);
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            leadership.stoppedLeading();
            failAll();
            waiters.failAll(new CisternException(ErrorCode.UNAVAILABLE, id + " is closed"));
            raft.closed(id, this);
        }
    }
}
