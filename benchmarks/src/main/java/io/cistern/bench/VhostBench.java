package io.cistern.bench;

import io.cistern.bench.NbdBench.Load;
import io.cistern.bench.NbdBench.Score;
import io.cistern.block.FileTrees;
import io.cistern.vmdisk.vhost.Buffers;
import io.cistern.vmdisk.vhost.FrontEnd;
import io.cistern.vmdisk.vhost.GuestRing;
import io.cistern.vmdisk.vhost.Target;
import io.cistern.vmdisk.vhost.VhostServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;

/// What the vhost-user back end costs, beside NBD: the same loads, from a front end in Java that
/// plays QEMU and guest on one ring, and from fio's nbd engine. Neither looks in vain: both sleep
/// while nothing is answered.
///
/// ```
/// VhostBench [SECONDS]                            over a device in memory: a table of one run
/// VhostBench volume VHOST NBD PID [SECONDS] [ROUNDS]
///                                                 over attached volumes, on two sockets of a driver:
///                                                 load by load, both by turns; medians by IOPS;
///                                                 -Dloads=REGEX chooses, as randread-4k-q1
/// VhostBench serve SOCKET [async]                 only serves, until it is killed
/// ```
public final class VhostBench {
    private static final int DEFAULT_SECONDS = 3;
    private static final int DEFAULT_ROUNDS = 3;
    private static final int RING = 64;
    private static final int SLOT_BYTES = 1 << 20;
    private static final int READ = 0;
    private static final int WRITE = 1;

    private VhostBench() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        if (args.length > 1 && args[0].equals("serve")) {
            boolean async = args.length > 2 && args[2].equals("async");
            try (VhostServer server = serve(Path.of(args[1]).toAbsolutePath(), async)) {
                System.out.println("serving on " + args[1] + ", peer " + server.peer());
                Thread.currentThread().join();
            }
            return;
        }
        System.out.println("| server | load | IOPS | MiB/s | p50 us | p99 us | server CPU us |");
        System.out.println("|---|---|---|---|---|---|---|");
        if (args.length > 3 && args[0].equals("volume")) {
            int seconds = args.length > 4 ? Integer.parseInt(args[4]) : DEFAULT_SECONDS;
            int rounds = args.length > 5 ? Integer.parseInt(args[5]) : DEFAULT_ROUNDS;
            long pid = Long.parseLong(args[3]);
            byTurns(Path.of(args[1]), Path.of(args[2]), pid, seconds, rounds);
            return;
        }
        int seconds = args.length > 0 ? Integer.parseInt(args[0]) : DEFAULT_SECONDS;
        Path directory = Files.createTempDirectory("vhost-bench");
        try {
            memory(directory, seconds);
        } finally {
            FileTrees.delete(directory);
        }
    }

    private static void memory(Path directory, int seconds)
            throws IOException, InterruptedException {
        for (List<String> mode : List.of(List.<String>of(), List.of("async"))) {
            String answers = mode.isEmpty() ? "at hand" : "of another thread";
            for (Class<?> server : List.of(VhostBench.class, NbdBench.class)) {
                Path socket = directory.resolve(server.getSimpleName() + mode.size());
                Process process = start(server, socket, mode);
                try {
                    if (server == VhostBench.class) {
                        vhost("vhost-user, answers " + answers, socket, process.pid(), seconds);
                    } else {
                        nbd("NBD, answers " + answers, socket, process.pid(), seconds);
                    }
                } finally {
                    process.destroyForcibly().waitFor();
                }
            }
        }
    }

    private static final List<Load> VOLUME_LOADS =
            List.of(
                    new Load("randread", "4k", 1),
                    new Load("randwrite", "4k", 1),
                    new Load("randread", "4k", 32),
                    new Load("randwrite", "4k", 32),
                    new Load("randread", "1m", 8),
                    new Load("randwrite", "1m", 8));

    /// Neither transport comes first: what warms up or fills up in between meets both.
    private static void byTurns(Path vhost, Path nbd, long pid, int seconds, int rounds)
            throws IOException, InterruptedException {
        try (FrontEnd front = new FrontEnd(FrontEnd.Options.of(1, RING, SLOT_BYTES))) {
            front.connect(vhost);
            long bytes = Math.min(front.config(0, 8).getLong(0) * 512, NbdBench.DEVICE_BYTES);
            fill(front.ring(0), bytes);
            for (Load load : VOLUME_LOADS) {
                measure(front.ring(0), load, bytes, pid, 1);
                NbdBench.measure(load, nbd, pid, 1);
            }
            for (Load load : VOLUME_LOADS) {
                String called = load.rw() + "-" + load.blockSize() + "-q" + load.depth();
                if (!called.matches(System.getProperty("loads", ".*"))) {
                    continue;
                }
                List<Score> overVhost = new ArrayList<>();
                List<Score> overNbd = new ArrayList<>();
                for (int round = 0; round < rounds; round++) {
                    if (round % 2 == 0) {
                        overVhost.add(measure(front.ring(0), load, bytes, pid, seconds));
                        overNbd.add(NbdBench.measure(load, nbd, pid, seconds));
                    } else {
                        overNbd.add(NbdBench.measure(load, nbd, pid, seconds));
                        overVhost.add(measure(front.ring(0), load, bytes, pid, seconds));
                    }
                }
                NbdBench.print("vhost-user", load, median(overVhost));
                NbdBench.print("NBD", load, median(overNbd));
            }
        }
    }

    private static void fill(GuestRing ring, long deviceBytes) throws IOException {
        byte[] noise = new byte[SLOT_BYTES];
        new Random(2).nextBytes(noise);
        for (int slot = 0; slot < RING; slot++) {
            ring.put(slot, noise);
        }
        for (long at = 0; at < deviceBytes; at += SLOT_BYTES) {
            if (ring.run(WRITE, at / 512, SLOT_BYTES, 60_000) != 0) {
                throw new IOException("filling the volume failed at " + at);
            }
        }
    }

    private static Score median(List<Score> scores) {
        return scores.stream()
                .sorted(Comparator.comparingDouble(Score::iops))
                .toList()
                .get(scores.size() / 2);
    }

    private static Process start(Class<?> main, Path socket, List<String> mode)
            throws IOException, InterruptedException {
        List<String> line =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-XX:+UseSerialGC",
                                "-Xmx1g",
                                "-XX:MaxDirectMemorySize=1g",
                                "--enable-native-access=ALL-UNNAMED",
                                "--sun-misc-unsafe-memory-access=allow"));
        String more = System.getProperty("server.options", "");
        line.addAll(more.isEmpty() ? List.of() : List.of(more.split(" ")));
        line.addAll(
                List.of(
                        "-cp",
                        System.getProperty("java.class.path"),
                        main.getName(),
                        "serve",
                        socket.toString()));
        line.addAll(mode);
        Process process =
                new ProcessBuilder(line)
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        while (!Files.exists(socket)) {
            if (!process.isAlive()) {
                throw new IOException(main.getName() + " did not start");
            }
            Thread.sleep(20);
        }
        return process;
    }

    private static VhostServer serve(Path socket, boolean async) {
        return VhostServer.open(
                new Target("bench", NbdBench.device(async), false),
                socket,
                new Buffers(256 << 20),
                VhostServer.defaultPollNanos());
    }

    private static void nbd(String name, Path socket, long pid, int seconds)
            throws IOException, InterruptedException {
        for (Load load : NbdBench.LOADS) {
            NbdBench.measure(load, socket, pid, Math.max(1, seconds / 2));
            NbdBench.print(name, load, NbdBench.measure(load, socket, pid, seconds));
        }
    }

    private static void vhost(String name, Path socket, long pid, int seconds) throws IOException {
        try (FrontEnd front = new FrontEnd(FrontEnd.Options.of(1, RING, SLOT_BYTES))) {
            front.connect(socket);
            long capacity = front.config(0, 8).getLong(0) * 512;
            long bytes = Math.min(capacity, NbdBench.DEVICE_BYTES);
            for (Load load : NbdBench.LOADS) {
                measure(front.ring(0), load, bytes, pid, Math.max(1, seconds / 2));
                NbdBench.print(name, load, measure(front.ring(0), load, bytes, pid, seconds));
            }
        }
    }

    private static Score measure(GuestRing ring, Load load, long deviceBytes, long pid, int seconds)
            throws IOException {
        int type = load.rw().equals("randread") ? READ : WRITE;
        int bytes =
                switch (load.blockSize()) {
                    case "4k" -> 4096;
                    case "128k" -> 128 << 10;
                    default -> 1 << 20;
                };
        Random random = new Random(1);
        long[] began = new long[load.depth()];
        long[] histogram = new long[4096];
        long ticks = NbdBench.cpuTicks(pid);
        long start = System.nanoTime();
        long end = start + seconds * 1_000_000_000L;
        long done = 0;
        int inFlight = 0;
        int[] free = new int[load.depth()];
        for (int i = 0; i < free.length; i++) {
            free[i] = i;
        }
        int freeCount = free.length;
        long now = start;
        while (now < end || inFlight > 0) {
            boolean submitted = false;
            while (freeCount > 0 && now < end) {
                int slot = free[--freeCount];
                long block = random.nextLong(deviceBytes / bytes);
                began[slot] = System.nanoTime();
                ring.submit(slot, type, block * (bytes / 512), bytes);
                inFlight++;
                submitted = true;
            }
            if (submitted) {
                ring.kick();
            }
            int slot = ring.poll();
            if (slot < 0) {
                ring.await(1_000);
                now = System.nanoTime();
                continue;
            }
            now = System.nanoTime();
            while (slot >= 0) {
                if (ring.status(slot) != 0) {
                    throw new IOException("a request failed with status " + ring.status(slot));
                }
                histogram[bucket(now - began[slot])]++;
                free[freeCount++] = slot;
                inFlight--;
                done++;
                slot = ring.poll();
            }
        }
        double took = (System.nanoTime() - start) / 1e9;
        long cpu = NbdBench.cpuTicks(pid) - ticks;
        return new Score(
                done / took,
                done * (double) bytes / took / (1 << 20),
                percentile(histogram, 0.5),
                percentile(histogram, 0.99),
                cpu * 10_000.0 / Math.max(1, done));
    }

    /// 64 buckets for each power of two.
    private static int bucket(long nanos) {
        long value = Math.max(64, nanos);
        int exponent = 63 - Long.numberOfLeadingZeros(value);
        return Math.min(4095, (exponent - 6) * 64 + (int) (value >>> exponent - 6 & 63));
    }

    private static double percentile(long[] histogram, double part) {
        long left = (long) (Arrays.stream(histogram).sum() * part);
        for (int i = 0; i < histogram.length; i++) {
            left -= histogram[i];
            if (left < 0) {
                return ((64L + i % 64) << i / 64) / 1e3;
            }
        }
        return Double.NaN;
    }
}
