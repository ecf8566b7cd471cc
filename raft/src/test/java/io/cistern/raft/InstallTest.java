package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Offers of a leader to fetch its state, at moments at which Ratis alone would ask, or refuse, for
/// ever.
class InstallTest {
    /// Each entry of [#big] fills a log file.
    private static final RaftLogLimits SMALL = new RaftLogLimits(64 << 10, 0, 64 << 10);

    private static final Duration PATIENCE = Duration.ofSeconds(15);

    @TempDir Path directory;

    /// Durable, and installed, when the test says so.
    private static final class Installing extends KeepingStateMachine {
        volatile long retained;

        Installing(long retained) {
            this.retained = retained;
        }

        final List<CompletableFuture<LogPosition>> installs =
                new java.util.concurrent.CopyOnWriteArrayList<>();

        @Override
        public long retainedLogBytes() {
            return retained;
        }

        @Override
        public CompletableFuture<LogPosition> install(Peer leader, LogPosition firstAvailable) {
            CompletableFuture<LogPosition> install = new CompletableFuture<>();
            installs.add(install);
            return install;
        }
    }

    private Cluster start() {
        return start(0);
    }

    private Cluster start(long retained) {
        Cluster cluster = new Cluster(directory);
        cluster.newMachine = () -> new Installing(retained);
        cluster.configure = config -> config.withLog(SMALL);
        return cluster.start(3);
    }

    private static RaftGroup.Applied big(RaftGroup leader) throws Exception {
        return leader.propose(ByteBuffer.allocate(70 << 10)).get(20, TimeUnit.SECONDS);
    }

    /// Entries of a few bytes each.
    private static RaftGroup.Applied small(RaftGroup leader, int count) throws Exception {
        RaftGroup.Applied last = Cluster.propose(leader, "0");
        for (int i = 1; i < count; i++) {
            last = Cluster.propose(leader, String.valueOf(i));
        }
        return last;
    }

    private static void purge(Cluster cluster, RaftGroup leader, RaftGroup.Applied upTo)
            throws Exception {
        cluster.machine(leader).checkpoint = new LogPosition(upTo.term(), upTo.index());
        big(leader);
        await().atMost(PATIENCE).until(() -> leader.stats().purgedIndex() >= upTo.index());
    }

    private static void awaitApplied(RaftGroup group, RaftGroup.Applied entry) {
        group.awaitApplied(entry.index(), PATIENCE).join();
    }

    /// Flips a bit in the log file that begins with entry `index`.
    private static void damage(Path replica, long index) throws IOException {
        Path file;
        try (var files = Files.walk(replica)) {
            file =
                    files.filter(f -> f.getFileName().toString().startsWith("log_" + index + "-"))
                            .findFirst()
                            .orElseThrow();
        }
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length / 2] ^= 1;
        Files.write(file, bytes);
    }

    /// The leader has lost a follower's answer, and purged what it believes the follower lacks. It
    /// offers its state, and the follower lacks nothing.
    @Test
    void aFollowerThatLacksNothingOfWhatIsPurgedGetsTheNextEntries() throws Exception {
        try (Cluster cluster = start()) {
            RaftGroup leader = cluster.leader();
            RaftGroup follower = cluster.others(leader).getFirst();
            awaitApplied(follower, big(leader));
            cluster.isolate(follower);
            big(leader);
            RaftGroup.Applied unheard = big(leader);
            // Its answers let the entries go; those from when it has them are lost.
            long both = follower.stats().entries() + 2;
            String from = follower.self().id();
            String to = leader.self().id();
            cluster.alsoPasses =
                    (sender, receiver) ->
                            !(sender.equals(from) && receiver.equals(to))
                                    || follower.stats().entries() < both;
            cluster.heal();
            cluster.cut(follower, cluster.others(leader).getLast());
            awaitApplied(follower, unheard);
            purge(cluster, leader, unheard);
            RaftGroup.Applied next = small(leader, 1);
            assertThat(follower.appliedIndex()).isLessThan(next.index());
            cluster.heal();
            cluster.alsoPasses = io.cistern.raft.ratis.LinkFilter.OPEN;
            awaitApplied(follower, next);
            assertThat(((Installing) cluster.machine(follower)).installs).isEmpty();
        }
    }

    /// Log is kept for those that were away, and begins behind the leader's own checkpoint: at the
    /// very entry that follows on the one that a follower's checkpoint is of.
    @Test
    void aFollowerWhoseStateEndsWhereTheLogBeginsGetsTheNextEntries() throws Exception {
        try (Cluster cluster = start()) {
            RaftGroup leader = cluster.leader();
            RaftGroup away = cluster.others(leader).getFirst();
            RaftGroup.Applied had = big(leader);
            awaitApplied(away, had);
            away.close();
            purge(cluster, leader, had);
            Installing kept = (Installing) cluster.machine(leader);
            kept.retained = 1 << 30;
            RaftGroup.Applied later = big(leader);
            kept.checkpoint = new LogPosition(later.term(), later.index());
            Installing machine = new Installing(0);
            machine.checkpoint = new LogPosition(had.term(), had.index());
            cluster.newMachine = () -> machine;
            RaftGroup back = cluster.open(away.self().node());
            awaitApplied(back, big(leader));
            assertThat(leader.stats().purgedIndex()).isEqualTo(had.index());
            assertThat(machine.installs).isEmpty();
        }
    }

    /// The leader that offered its state dies while it is fetched, and the next leader still has
    /// the log that the fetching replica would have needed, so it offers nothing.
    @Test
    void aReplicaGoesOnBehindAnInstallWhoseLeaderDied() throws Exception {
        try (Cluster cluster = start()) {
            RaftGroup leader = cluster.leader();
            RaftGroup fetching = cluster.others(leader).getFirst();
            RaftGroup heir = cluster.others(leader).getLast();
            awaitApplied(fetching, big(leader));
            cluster.isolate(fetching);
            small(leader, 300);
            RaftGroup.Applied last = big(leader);
            awaitApplied(heir, last);
            purge(cluster, leader, last);
            cluster.heal();
            Installing machine = (Installing) cluster.machine(fetching);
            await().atMost(PATIENCE).until(() -> !machine.installs.isEmpty());
            leader.close();
            cluster.replicas.remove(leader.self().node());
            await().atMost(PATIENCE)
                    .until(() -> {
                        Peer now = fetching.leadership().leader();
                        return now != null && now.id().equals(heir.self().id());
                    });
            machine.installs.getFirst().complete(new LogPosition(last.term(), last.index()));
            await().atMost(PATIENCE).until(() -> heir.leadership().ready());
            RaftGroup.Applied next = Cluster.propose(heir, "next");
            awaitApplied(fetching, next);
            List<String> applied = new ArrayList<>(machine.applied);
            assertThat(applied.getLast()).isEqualTo("next");
            assertThat(machine.installs).hasSize(1);
        }
    }

    /// The leader dies before it hears that the state has arrived. The log of the replica is empty,
    /// since it had fetched a state before, so others would vote for it by the state alone.
    @Test
    void aReplicaDoesNotLeadBeforeItsLogFollowsTheStateItFetched() throws Exception {
        try (Cluster cluster = start()) {
            RaftGroup leader = cluster.leader();
            RaftGroup away = cluster.others(leader).getFirst();
            RaftGroup heir = cluster.others(leader).getLast();
            RaftGroup.Applied had = big(leader);
            awaitApplied(away, had);
            away.close();
            small(leader, 300);
            purge(cluster, leader, big(leader));
            LogPosition newest = new LogPosition(had.term(), leader.appliedIndex());
            heir.awaitApplied(newest.index(), PATIENCE).join();
            Installing machine = new Installing(0);
            machine.checkpoint = new LogPosition(had.term(), had.index() + 10);
            cluster.newMachine = () -> machine;
            RaftGroup fetching = cluster.open(away.self().node());
            await().atMost(PATIENCE).until(() -> !machine.installs.isEmpty());
            cluster.cut(leader, fetching);
            // At first the heir only answers, so that the other has the first word.
            AtomicInteger asked = new AtomicInteger();
            AtomicInteger held = new AtomicInteger();
            String from = fetching.self().id();
            String to = heir.self().id();
            cluster.alsoPasses =
                    (sender, receiver) -> {
                        if (sender.equals(from) && receiver.equals(to)) {
                            asked.incrementAndGet();
                        }
                        return !(sender.equals(to) && receiver.equals(from))
                                || asked.getAndUpdate(n -> Math.max(0, n - 1)) > 0
                                || held.incrementAndGet() > 10;
                    };
            machine.installs.getFirst().complete(newest);
            leader.close();
            cluster.replicas.remove(leader.self().node());
            RaftGroup.Applied next = Cluster.propose(cluster.leader(), "next");
            awaitApplied(heir, next);
            awaitApplied(fetching, next);
            assertThat(machine.applied.getLast()).isEqualTo("next");
        }
    }

    /// What the leader has kept for others is damaged on its disk.
    @Test
    void aFollowerFetchesTheStateWhereTheLogKeptForItCannotBeRead() throws Exception {
        try (Cluster cluster = start(64 << 20)) {
            RaftGroup leader = cluster.leader();
            RaftGroup away = cluster.others(leader).getFirst();
            awaitApplied(away, big(leader));
            cluster.isolate(away);
            RaftGroup.Applied missed = big(leader);
            RaftGroup.Applied last = missed;
            for (int i = 0; i < 8; i++) {
                last = big(leader);
            }
            // Restarted at their checkpoints, the others have what is behind in no cache.
            LogPosition checkpoint = new LogPosition(last.term(), last.index());
            cluster.newMachine =
                    () -> {
                        Installing machine = new Installing(64 << 20);
                        machine.checkpoint = checkpoint;
                        return machine;
                    };
            List<RaftGroup> present = cluster.others(away);
            present.forEach(RaftGroup::close);
            present.forEach(group -> cluster.open(group.self().node()));
            leader = cluster.leader();
            damage(directory.resolve(leader.self().node()), missed.index());
            small(leader, 1);
            assertThat(leader.stats().purgedIndex()).isLessThan(missed.index());
            cluster.heal();
            Installing machine = (Installing) cluster.machine(away);
            await().atMost(PATIENCE).until(() -> !machine.installs.isEmpty());
            machine.installs.getFirst().complete(checkpoint);
            awaitApplied(away, small(leader, 1));
        }
    }
}
