package io.cistern.bench;

import io.cistern.raft.GroupId;
import io.cistern.raft.Leadership;
import io.cistern.raft.LogPosition;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.RaftHost;
import io.cistern.raft.RaftHostConfig;
import io.cistern.raft.StateMachine;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/// Measures a replication group: how many 4 KiB commands a second three replicas agree on, with 1,
/// 32 and 128 outstanding, and how long each takes.
///
/// `RaftBench DIRECTORY [SECONDS [jvms]]`: three hosts in this process or, with `jvms`, one in each
/// of three. A round of warm-up goes before the measured ones.
public final class RaftBench {
    private static final GroupId GROUP = new GroupId(1);
    private static final int COMMAND_BYTES = 4096;
    private static final int[] OUTSTANDING = {1, 32, 128};
    private static final int FAILOVERS = 15;

    /// The replica that no message reaches or leaves.
    private static volatile String cutOff = "";

    private RaftBench() {}

    /// Applies by doing nothing; a checkpoint now and then lets the log be purged.
    private static final class Sink implements StateMachine {
        private static final long CHECKPOINT_ENTRIES = 2000;

        private volatile LogPosition last = LogPosition.START;
        private volatile LogPosition checkpoint = LogPosition.START;
        private final CountDownLatch leading = new CountDownLatch(1);

        @Override
        public LogPosition checkpointed() {
            LogPosition now = last;
            if (now.index() - checkpoint.index() >= CHECKPOINT_ENTRIES) {
                checkpoint = now;
            }
            return checkpoint;
        }

        @Override
        public List<@Nullable Object> apply(LogPosition position, List<ByteBuffer> commands) {
            last = position;
            return Collections.nCopies(commands.size(), null);
        }

        @Override
        public void advance(LogPosition position) {
            last = position;
        }

        @Override
        public CompletableFuture<LogPosition> install(Peer leader, LogPosition firstAvailable) {
            return CompletableFuture.completedFuture(
                    new LogPosition(firstAvailable.term(), firstAvailable.index() - 1));
        }

        @Override
        public void leadershipChanged(Leadership leadership) {
            if (leadership.ready()) {
                leading.countDown();
            }
        }

        @Override
        public void membersChanged(List<Peer> members) {}
    }

    public static void main(String[] args) throws Exception {
        if (args.length < 1 || args.length > 5) {
            System.err.println("usage: RaftBench DIRECTORY [SECONDS [jvms]]");
            System.exit(2);
        }
        Path directory = Path.of(args[0]);
        int seconds = args.length > 1 ? Integer.parseInt(args[1]) : 10;
        if (args.length == 5) {
            runChild(directory, seconds, Integer.parseInt(args[3]), args[4]);
        } else if (args.length == 3 && args[2].equals("jvms")) {
            runChildren(directory, seconds);
        } else {
            runHere(directory, seconds);
        }
    }

    private static void runHere(Path directory, int seconds) throws Exception {
        List<RaftHost> hosts = new ArrayList<>();
        List<Peer> peers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            RaftHost host = start(directory, i, 0);
            hosts.add(host);
            peers.add(peer(i, host.address()));
        }
        List<RaftGroup> groups = new ArrayList<>();
        List<Sink> sinks = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            Sink sink = new Sink();
            sinks.add(sink);
            groups.add(hosts.get(i).open(GROUP, peers.get(i).id(), peers, sink));
        }
        measure(leaderOf(groups, ""), seconds);
        failover(groups);
        hosts.forEach(RaftHost::close);
    }

    /// The replica that leads and is ready, unless it is `not`.
    private static RaftGroup leaderOf(List<RaftGroup> groups, String not)
            throws InterruptedException {
        while (true) {
            Optional<RaftGroup> found =
                    groups.stream()
                            .filter(g -> !g.self().id().equals(not) && g.leadership().ready())
                            .max(Comparator.comparingLong(g -> g.leadership().term()));
            if (found.isPresent()) {
                return found.get();
            }
            Thread.sleep(1);
        }
    }

    /// Cuts the leader off as if its machine had died, and waits for a write on the next.
    private static void failover(List<RaftGroup> groups) throws InterruptedException {
        long[] millis = new long[FAILOVERS];
        for (int i = 0; i < FAILOVERS; i++) {
            Thread.sleep(1500 + 37L * i);
            RaftGroup leader = leaderOf(groups, "");
            long start = System.nanoTime();
            cutOff = leader.self().id();
            boolean written = false;
            while (!written) {
                written =
                        leaderOf(groups, cutOff)
                                .propose(ByteBuffer.allocate(COMMAND_BYTES))
                                .handle((applied, failure) -> failure == null)
                                .join();
            }
            millis[i] = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
            cutOff = "";
        }
        Arrays.sort(millis);
        System.out.printf(
                Locale.ROOT,
                "leader lost: %d to %d ms until the next write, median %d ms, of %d%n",
                millis[0],
                millis[FAILOVERS - 1],
                millis[FAILOVERS / 2],
                FAILOVERS);
    }

    private static void runChildren(Path directory, int seconds) throws Exception {
        StringBuilder ports = new StringBuilder();
        for (int i = 0; i < 3; i++) {
            try (ServerSocket probe = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
                ports.append(i == 0 ? "" : ",").append(probe.getLocalPort());
            }
        }
        List<Process> children = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            List<String> command = new ArrayList<>();
            command.add(ProcessHandle.current().info().command().orElse("java"));
            command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
            command.addAll(
                    List.of(
                            "-cp",
                            System.getProperty("java.class.path"),
                            RaftBench.class.getName(),
                            directory.toString(),
                            Integer.toString(seconds),
                            "child",
                            Integer.toString(i),
                            ports.toString()));
            children.add(new ProcessBuilder(command).inheritIO().start());
        }
        // The one that leads measures and ends; then the others have nothing left to do.
        CompletableFuture.anyOf(
                        children.stream().map(Process::onExit).toArray(CompletableFuture[]::new))
                .join();
        children.forEach(Process::destroy);
    }

    private static void runChild(Path directory, int seconds, int index, String ports)
            throws Exception {
        List<Peer> peers = new ArrayList<>();
        String[] all = ports.split(",", -1);
        for (int i = 0; i < 3; i++) {
            peers.add(
                    peer(
                            i,
                            new InetSocketAddress(
                                    InetAddress.getLoopbackAddress(), Integer.parseInt(all[i]))));
        }
        Sink sink = new Sink();
        try (RaftHost host = start(directory, index, Integer.parseInt(all[index]))) {
            RaftGroup group = host.open(GROUP, peers.get(index).id(), peers, sink);
            sink.leading.await();
            measure(group, seconds);
        }
    }

    private static RaftHost start(Path directory, int index, int port) throws IOException {
        Path own = directory.resolve("b" + index);
        Files.createDirectories(own);
        return RaftHost.start(
                RaftHostConfig.of(
                                "b" + index,
                                "bench",
                                new InetSocketAddress(InetAddress.getLoopbackAddress(), port),
                                own)
                        .withLinks((from, to) -> !from.equals(cutOff) && !to.equals(cutOff)));
    }

    private static Peer peer(int index, InetSocketAddress address) {
        return new Peer("b" + index + ".0", "b" + index, address, 0);
    }

    private static void measure(RaftGroup leader, int seconds) throws InterruptedException {
        run(leader, 32, seconds, false);
        for (int outstanding : OUTSTANDING) {
            run(leader, outstanding, seconds, true);
        }
    }

    private static void run(RaftGroup leader, int outstanding, int seconds, boolean print)
            throws InterruptedException {
        Semaphore slots = new Semaphore(outstanding);
        int[] micros = new int[1 << 22];
        AtomicInteger done = new AtomicInteger();
        LongAdder failed = new LongAdder();
        RaftGroup.Stats before = leader.stats();
        long cpuBefore = cpuNanos();
        long start = System.nanoTime();
        long end = start + TimeUnit.SECONDS.toNanos(seconds);
        while (System.nanoTime() < end) {
            slots.acquire();
            long sent = System.nanoTime();
            leader.propose(ByteBuffer.allocate(COMMAND_BYTES))
                    .whenComplete((applied, failure) -> {
                        if (failure != null) {
                            failed.increment();
                        } else {
                            int n = done.getAndIncrement();
                            micros[n & (micros.length - 1)] =
                                    (int) ((System.nanoTime() - sent) / 1000);
                        }
                        slots.release();
                    });
        }
        slots.acquire(outstanding);
        double took = (System.nanoTime() - start) / 1e9;
        if (print) {
            report(leader, before, outstanding, done.get(), took, micros, cpuNanos() - cpuBefore);
            if (failed.sum() > 0) {
                System.out.println("    failed: " + failed.sum());
            }
        }
    }

    private static void report(
            RaftGroup leader,
            RaftGroup.Stats before,
            int outstanding,
            int count,
            double took,
            int[] micros,
            long cpu) {
        int kept = Math.min(count, micros.length);
        int[] sorted = Arrays.copyOf(micros, kept);
        Arrays.sort(sorted);
        RaftGroup.Stats after = leader.stats();
        System.out.printf(
                Locale.ROOT,
                "%3d outstanding: %7.0f writes/s  p50 %6d us  p99 %6d us  %.3f fsyncs/write"
                        + "  %.2f log bytes/byte  %5.1f us cpu/write (this process)%n",
                outstanding,
                count / took,
                sorted[kept / 2],
                sorted[kept * 99 / 100],
                (after.fsyncs() - before.fsyncs()) / (double) count,
                (after.logBytesWritten() - before.logBytesWritten())
                        / (double) count
                        / COMMAND_BYTES,
                cpu / 1e3 / count);
    }

    private static long cpuNanos() {
        return ProcessHandle.current()
                .info()
                .totalCpuDuration()
                .map(java.time.Duration::toNanos)
                .orElse(0L);
    }
}
