package io.cistern.chaos.sim;

import io.cistern.block.CisternException;
import io.cistern.chaos.check.Checks;
import io.cistern.chaos.check.Checks.Books;
import io.cistern.chaos.check.Checks.Cut;
import io.cistern.chaos.check.Checks.Stall;
import io.cistern.chaos.check.Linearizability;
import io.cistern.chaos.check.Op;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.SimDisk;
import io.cistern.storage.Store;
import io.cistern.storage.View;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.GroupHost;
import io.cistern.storage.group.ReplicaCheck;
import io.cistern.storage.group.SimNode;
import io.cistern.storage.group.Verifier;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.function.Function;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// One simulated run: a cluster and its clients, faults, their end, and then all checks.
public final class SimRun {
    /// Once faults have stopped, so long at most until everything goes on.
    public static final long PROGRESS_NANOS = 30_000_000_000L;

    /// How often a leader is asked in the end.
    private static final int ASKED = 3;

    private static final long FAULTS_NANOS = 6_000_000_000L;

    /// What a seed stands for.
    ///
    /// @param faults what goes wrong
    /// @param operations of each client
    /// @param beyond more may go wrong at a time than a group is made to bear: then it may stop,
    ///   and only must not show or store anything wrong
    public record Plan(
            long seed,
            Fault.Scenario scenario,
            List<Fault> faults,
            int operations,
            boolean beyond) {
        /// @param scenario null: the seed decides
        public static Plan of(long seed, Fault.@Nullable Scenario scenario) {
            Random random = new Random(seed * 0x9E3779B97F4A7C15L + 17);
            Fault.Scenario[] all = Fault.Scenario.values();
            Fault.Scenario chosen = all[(int) Long.remainderUnsigned(seed, all.length)];
            Fault.Scenario used = scenario == null ? chosen : scenario;
            return new Plan(
                    seed,
                    used,
                    used.plan(random, FAULTS_NANOS),
                    25 + random.nextInt(50),
                    Long.remainderUnsigned(seed, 10) >= 8);
        }

        public Plan withFaults(List<Fault> fewer) {
            return new Plan(seed, scenario, List.copyOf(fewer), operations, beyond);
        }

        public Plan withOperations(int fewer) {
            return new Plan(seed, scenario, faults, fewer, beyond);
        }
    }

    /// What came of it.
    ///
    /// @param wrong empty for a clean run
    /// @param stallNanos the longest that anything took after the faults had stopped
    /// @param settled whether everything went on
    /// @param digest of everything that happened
    public record Result(
            List<String> wrong,
            int faults,
            long operations,
            long registers,
            long stallNanos,
            long events,
            boolean settled,
            long digest,
            List<String> log) {
        public boolean clean() {
            return wrong.isEmpty();
        }
    }

    private final Plan plan;
    private final Path root;
    private final List<String> wrong = new ArrayList<>();

    private SimRun(Plan plan, Path root) {
        this.plan = plan;
        this.root = root;
    }

    /// @param root an empty directory, best in memory
    public static Result run(Plan plan, Path root) {
        return new SimRun(plan, root).run();
    }

    private Result run() {
        Sim sim = new Sim(plan.seed);
        Random shape = new Random(plan.seed ^ 0x1234567);
        boolean full = plan.scenario == Fault.Scenario.FULL;
        SimCluster.Options options =
                new SimCluster.Options(
                        full ? 24L << 16 : 16L << 20,
                        shape.nextBoolean() ? 32 << 10 : 1 << 20,
                        shape.nextBoolean() ? 300_000 : 8_000_000,
                        shape.nextBoolean() ? 4 : SimCluster.LONG_LOG,
                        0.04 * shape.nextDouble());
        boolean aimed = plan.scenario.aimed();
        AttachMode mode = shape.nextBoolean() ? AttachMode.EXCLUSIVE : AttachMode.SHARED;
        SimCluster cluster = new SimCluster(sim, new SimNet(sim), root, options);
        Workload workload =
                new Workload(
                        sim,
                        cluster,
                        aimed
                                ? new Workload.Plan(4, mode, false, plan.operations, false, true)
                                : new Workload.Plan(
                                        2 + shape.nextInt(3),
                                        mode,
                                        shape.nextInt(3) == 0,
                                        plan.operations,
                                        full,
                                        false));
        try {
            return run(sim, cluster, workload);
        } catch (RuntimeException | AssertionError e) {
            wrong.add("the run itself failed: " + SimCluster.trace(e));
            return result(sim, cluster, workload, 0, 0);
        } finally {
            cluster.close();
            sim.close();
        }
    }

    private Result run(Sim sim, SimCluster cluster, Workload workload) {
        workload.start();
        Nemesis nemesis = new Nemesis(sim, cluster, workload, plan.beyond);
        nemesis.schedule(plan.faults);
        sim.run(FAULTS_NANOS + 1_000_000_000L, () -> false);
        nemesis.end();
        cluster.event("faults stop");
        cluster.heal();
        workload.healed();
        long healed = sim.now();
        sim.run(2_000_000_000L, () -> false);
        workload.stop();
        settled =
                sim.run(
                        PROGRESS_NANOS,
                        () ->
                                workload.open().isEmpty()
                                        && !cluster.rebuilding()
                                        && cluster.leader() != null
                                        && even(cluster));
        if (!settled && !plan.beyond) {
            List<Stall> stalls = new ArrayList<>();
            workload.open()
                    .forEach((name, from) -> stalls.add(new Stall(name, Long.MAX_VALUE / 2)));
            wrong.addAll(Checks.progress(stalls, PROGRESS_NANOS));
            wrong.add(
                    "not settled "
                            + (sim.now() - healed) / 1_000_000
                            + " ms after the faults stopped: "
                            + state(cluster));
        }
        long stall = workload.worstStall();
        cluster.event(
                "%d elections, %d batches overdue; slowest answer since the end of faults: %d ms, %s"
                        .formatted(
                                cluster.elections(),
                                cluster.overdue(),
                                stall / 1_000_000,
                                workload.slowest()));
        if (settled) {
            finish(sim, cluster, workload);
        }
        check(workload);
        return result(sim, cluster, workload, nemesis.done(), stall);
    }

    private Result result(Sim sim, SimCluster cluster, Workload workload, int faults, long stall) {
        wrong.addAll(cluster.violations());
        wrong.addAll(workload.wrong());
        sim.failures().forEach(e -> wrong.add("uncaught: " + SimCluster.trace(e)));
        return new Result(
                List.copyOf(wrong),
                faults,
                workload.operations(),
                registers,
                stall,
                sim.executed(),
                settled,
                sim.digest(),
                cluster.events());
    }

    private long registers;
    private boolean settled;

    private static boolean even(SimCluster cluster) {
        long index = -2;
        for (SimCluster.Node node : cluster.nodes()) {
            Store store = node.store();
            var process = node.process();
            if (store == null || process == null || !process.serves(SimCluster.GROUP)) {
                return false;
            }
            if (index == -2) {
                index = store.applied().index();
            }
            if (store.applied().index() != index
                    || store.applied().index() < store.readableFrom()) {
                return false;
            }
        }
        return true;
    }

    private static String state(SimCluster cluster) {
        StringBuilder text = new StringBuilder();
        for (SimCluster.Node node : cluster.nodes()) {
            text.append("\n      ").append(node.name()).append(": ");
            var process = node.process();
            Store store = node.store();
            if (process == null || store == null) {
                text.append(process == null ? "down" : "no replica");
                continue;
            }
            text.append("at ").append(store.applied());
            text.append(", importing ").append(store.importing());
            text.append(", readable from ").append(store.readableFrom());
            var raft = node.raft();
            text.append(
                    raft == null ? ", no raft" : ", " + raft.leadership() + ", " + raft.stats());
            text.append(node.lost() ? ", lost" : "");
        }
        return text.toString();
    }

    /// Reads everything once more, compares the replicas and their books.
    private void finish(Sim sim, SimCluster cluster, Workload workload) {
        for (int volume = 1; volume <= 2; volume++) {
            long from = sim.now();
            CompletableFuture<ByteBuffer> read =
                    workload.readNow(volume, null, 0, Workload.VOLUME_BYTES);
            if (!sim.run(PROGRESS_NANOS, read::isDone) || read.isCompletedExceptionally()) {
                wrong.add("v" + volume + " cannot be read in the end: " + read);
                return;
            }
            ByteBuffer bytes = read.join();
            workload.observed("end", volume, 0, bytes, from, sim.now());
            if (volume == 1) {
                wrong.addAll(
                        Checks.exactlyOnce(
                                workload.raised(),
                                workload.raisedUnknown(),
                                Workload.counter(bytes)));
            }
        }
        workload.snapshots().stream()
                .filter(s -> s.known() && !s.gone())
                .forEach(s -> s.read(workload));
        sim.run(3_000_000_000L, () -> false);
        noneIsBack(cluster, workload);
        verify(sim, cluster);
        compareCuts(sim, cluster);
        sim.run(PROGRESS_NANOS, () -> even(cluster));
        compare(sim, cluster);
    }

    /// A snapshot that was deleted, and whose name no other one has, must not be there.
    private void noneIsBack(SimCluster cluster, Workload workload) {
        Map<String, Boolean> deleted = new HashMap<>();
        workload.snapshots()
                .forEach(s -> deleted.merge(s.name(), s.deleted(), Boolean::logicalAnd));
        SimCluster.Node leader = cluster.leaderNode();
        Store store = leader == null ? null : leader.store();
        if (store == null) {
            return;
        }
        for (VolumeState volume : store.volumes()) {
            for (VolumeState.Snapshot s : volume.snapshots()) {
                if (deleted.getOrDefault(s.name(), false)) {
                    wrong.add("snapshot " + s.name() + " of v" + volume.volume() + " is back");
                }
            }
        }
    }

    private record Leader(Machine machine, SimNode process) {}

    /// The node that leads; null, which is wrong, where none does.
    private @Nullable Leader leader(SimCluster cluster) {
        SimCluster.Node leader = cluster.leaderNode();
        Machine machine = leader == null ? null : leader.machine();
        SimNode process = leader == null ? null : leader.process();
        if (machine == null || process == null) {
            wrong.add("no leader in the end");
            return null;
        }
        return new Leader(machine, process);
    }

    /// What the node that leads says; asked again where another one is about to.
    ///
    /// @return null, which is wrong, where there is no answer
    private <T> @Nullable T ask(
            Sim sim,
            SimCluster cluster,
            String what,
            Function<GroupHost, CompletableFuture<T>> question) {
        for (int left = ASKED; ; left--) {
            sim.run(PROGRESS_NANOS, () -> cluster.leader() != null);
            Leader leader = leader(cluster);
            if (leader == null) {
                return null;
            }
            List<CompletableFuture<T>> answer = new ArrayList<>();
            sim.after(leader.machine, 0, () -> answer.add(question.apply(leader.process.host())));
            if (!sim.run(PROGRESS_NANOS, () -> answer.stream().anyMatch(Future::isDone))) {
                wrong.add(what + " does not end");
                return null;
            }
            if (!answer.getFirst().isCompletedExceptionally()) {
                return answer.getFirst().join();
            }
            Throwable failure = answer.getFirst().exceptionNow();
            if (left == 1 || !CisternException.of(failure).code().retryable()) {
                wrong.add(what + " failed: " + failure);
                return null;
            }
        }
    }

    /// The cluster's own comparison finds nothing.
    private void verify(Sim sim, SimCluster cluster) {
        for (int volume = 1; volume <= 2; volume++) {
            int of = volume;
            Verifier.Report report =
                    ask(sim, cluster, "verify", host -> host.verify(SimCluster.GROUP, of));
            if (report != null && !report.differences().isEmpty()) {
                wrong.add("verify found " + report.differences());
            }
        }
    }

    /// Nor does the comparison of all replicas as of one entry of the log.
    private void compareCuts(Sim sim, SimCluster cluster) {
        ReplicaCheck.Report report =
                ask(
                        sim,
                        cluster,
                        "the comparison as of one entry",
                        host -> host.check(SimCluster.GROUP, false));
        if (report != null) {
            report.differences().forEach(d -> wrong.add("compared as of one entry: " + d));
            report.missing()
                    .forEach((peer, why) -> wrong.add("not compared: " + peer + ": " + why));
        }
    }

    private void compare(Sim sim, SimCluster cluster) {
        Map<String, TreeMap<String, Long>> digests = new TreeMap<>();
        List<Books> books = new ArrayList<>();
        List<Boolean> settled = new ArrayList<>();
        for (SimCluster.Node node : cluster.nodes()) {
            Machine machine = node.machine();
            if (machine == null) {
                return;
            }
            sim.after(
                    machine,
                    0,
                    () -> {
                        node.disk().settle();
                        Store store = node.store();
                        if (store != null) {
                            digests.put(node.name(), digests(store));
                        }
                        settled.add(true);
                    });
        }
        if (!sim.run(PROGRESS_NANOS, () -> settled.size() == 3)) {
            wrong.add("the replicas cannot be read in the end");
            return;
        }
        wrong.addAll(Checks.replicasEqual(digests));
        if (!sim.run(
                PROGRESS_NANOS, () -> cluster.nodes().stream().allMatch(n -> n.disk().quiet()))) {
            wrong.add("checkpoints do not end");
            return;
        }
        for (SimCluster.Node node : cluster.nodes()) {
            Store store = node.store();
            if (store == null || node.open == null) {
                wrong.add(node.name() + " is gone in the end");
                return;
            }
            long rows = store.space().stream().mapToLong(s -> s.usedBytes()).sum();
            long held = store.usedBytes();
            long disk = SimDisk.usedBytes(node.open);
            books.add(new Books(node.name(), rows, held, disk, node.disk().recount()));
        }
        wrong.addAll(Checks.booksEqual(books));
    }

    private static TreeMap<String, Long> digests(Store store) {
        TreeMap<String, Long> digests = new TreeMap<>();
        for (VolumeState volume : store.volumes()) {
            digests.put("v" + volume.volume(), digest(store, store.headView(volume.volume())));
            for (VolumeState.Snapshot s : volume.snapshots()) {
                digests.put(
                        "v" + volume.volume() + "@" + s.name(),
                        digest(store, store.snapshotView(volume.volume(), s.name())));
            }
        }
        return digests;
    }

    private static long digest(Store store, View view) {
        ByteBuffer bytes = ByteBuffer.allocate(Workload.VOLUME_BYTES);
        store.read(view, 0, bytes);
        CRC32C crc = new CRC32C();
        crc.update(bytes.flip());
        return crc.getValue();
    }

    private void check(Workload workload) {
        Map<String, List<Op>> history = workload.history();
        registers = history.size();
        int shown = 0;
        for (Map.Entry<String, List<Op>> register : history.entrySet()) {
            String why = Linearizability.check(register.getValue(), 0);
            if (why != null && shown++ < 3) {
                wrong.add(register.getKey() + ": " + why);
            }
        }
        List<Cut> cuts = new ArrayList<>();
        for (Snapshots.Taken taken : workload.snapshots()) {
            Cut cut = taken.cut();
            if (cut != null) {
                cuts.add(cut);
            }
        }
        wrong.addAll(Checks.cuts(cuts));
    }
}
