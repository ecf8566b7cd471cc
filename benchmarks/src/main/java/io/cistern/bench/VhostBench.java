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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/// What the vhost-user back end costs, beside NBD: the same loads, from a front end that plays QEMU
/// and guest on one ring, and from fio's nbd engine. Neither looks in vain: both sleep while
/// nothing is answered. `-Dfront=PROGRAM` measures with one more front end:
/// `src/main/c/vhost_load.c`, which has no compiler beside it on the same processors.
///
/// ```
/// VhostBench [SECONDS]                            over a device in memory: a table of one run
/// VhostBench volume VHOST NBD PID [SECONDS] [ROUNDS]
///                                                 over attached volumes, on two sockets of a driver:
///                                                 load by load, all by turns; medians by IOPS
/// VhostBench serve SOCKET [async]                 only serves, until it is killed
/// ```
///
/// `-Dloads=REGEX` chooses among the loads, as `randread-4k-q1`.
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
                        vhost(", answers " + answers, socket, process.pid(), seconds);
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

    /// None comes first always: what warms up or fills up in between meets all.
    private static void byTurns(Path vhost, Path nbd, long pid, int seconds, int rounds)
            throws IOException, InterruptedException {
        long bytes = fill(vhost);
        List<Transport> all = new ArrayList<>(fronts(new Served(vhost, bytes, pid)));
        all.add(new Transport("NBD", (load, s) -> NbdBench.measure(load, nbd, pid, s)));
        for (Load load : VOLUME_LOADS) {
            for (Transport each : all) {
                each.front.measure(load, 1);
            }
        }
        for (Load load : chosen(VOLUME_LOADS)) {
            Map<Transport, List<Score>> scores = new LinkedHashMap<>();
            for (int round = 0; round < rounds; round++) {
                for (int i = 0; i < all.size(); i++) {
                    Transport next = all.get((round + i) % all.size());
                    scores.computeIfAbsent(next, t -> new ArrayList<>())
                            .add(next.front.measure(load, seconds));
                }
            }
            for (Transport each : all) {
                NbdBench.print(each.name, load, median(scores.getOrDefault(each, List.of())));
            }
        }
    }

    private static List<Load> chosen(List<Load> loads) {
        String regex = System.getProperty("loads", ".*");
        return loads.stream()
                .filter(l -> (l.rw() + "-" + l.blockSize() + "-q" + l.depth()).matches(regex))
                .toList();
    }

    /// Makes a load over one transport and says how it went.
    private interface Front {
        Score measure(Load load, int seconds) throws IOException, InterruptedException;
    }

    private record Transport(String name, Front front) {}

    /// @param bytes of the device that the loads use
    /// @param pid of the process behind the socket
    private record Served(Path socket, long bytes, long pid) {}

    /// The front ends at hand: that of this process, and the program where one is named.
    private static List<Transport> fronts(Served served) {
        List<Transport> all = new ArrayList<>();
        all.add(
                new Transport(
                        "vhost-user",
                        (load, seconds) -> {
                            try (FrontEnd front = connect(served.socket)) {
                                return measure(front.ring(0), load, served, seconds);
                            }
                        }));
        String program = System.getProperty("front", "");
        if (!program.isEmpty()) {
            all.add(
                    new Transport(
                            "vhost-user, from " + Path.of(program).getFileName(),
                            (load, seconds) -> run(program, served, load, seconds)));
        }
        return all;
    }

    private static Score run(String program, Served served, Load load, int seconds)
            throws IOException, InterruptedException {
        int bytes = blockBytes(load);
        long before = NbdBench.cpuTicks(served.pid);
        String output =
                NbdBench.run(
                        program,
                        served.socket.toString(),
                        load.rw(),
                        Integer.toString(bytes),
                        Integer.toString(load.depth()),
                        Integer.toString(seconds),
                        Long.toString(served.bytes));
        long ticks = NbdBench.cpuTicks(served.pid) - before;
        String[] words = output.strip().split(" ");
        double iops = Double.parseDouble(words[0]);
        return new Score(
                iops,
                iops * bytes / (1 << 20),
                Double.parseDouble(words[1]),
                Double.parseDouble(words[2]),
                ticks * 10_000.0 / Math.max(1, Long.parseLong(words[3])));
    }

    /// @return how many bytes of the volume the loads use
    private static long fill(Path vhost) throws IOException {
        try (FrontEnd front = connect(vhost)) {
            long capacity = front.config(0, 8).getLong(0) * 512;
            long bytes = Math.min(capacity, NbdBench.DEVICE_BYTES);
            GuestRing ring = front.ring(0);
            for (long at = 0; at < bytes; at += SLOT_BYTES) {
                if (ring.run(WRITE, at / 512, SLOT_BYTES, 60_000) != 0) {
                    throw new IOException("filling the volume failed at " + at);
                }
            }
            return bytes;
        }
    }

    /// A ring whose requests all have noise to write.
    private static FrontEnd connect(Path socket) throws IOException {
        FrontEnd front = new FrontEnd(FrontEnd.Options.of(1, RING, SLOT_BYTES));
        front.connect(socket);
        byte[] noise = new byte[SLOT_BYTES];
        new Random(2).nextBytes(noise);
        for (int slot = 0; slot < RING; slot++) {
            front.ring(0).put(slot, noise);
        }
        return front;
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
        for (Load load : chosen(NbdBench.LOADS)) {
            NbdBench.measure(load, socket, pid, Math.max(1, seconds / 2));
            NbdBench.print(name, load, NbdBench.measure(load, socket, pid, seconds));
        }
    }

    private static void vhost(String name, Path socket, long pid, int seconds)
            throws IOException, InterruptedException {
        for (Transport each : fronts(new Served(socket, NbdBench.DEVICE_BYTES, pid))) {
            for (Load load : chosen(NbdBench.LOADS)) {
                each.front.measure(load, Math.max(1, seconds / 2));
                NbdBench.print(each.name + name, load, each.front.measure(load, seconds));
            }
        }
    }

    private static int blockBytes(Load load) {
        return switch (load.blockSize()) {
            case "4k" -> 4096;
            case "128k" -> 128 << 10;
            default -> 1 << 20;
        };
    }

    private static Score measure(GuestRing ring, Load load, Served served, int seconds)
            throws IOException {
        int type = load.rw().equals("randread") ? READ : WRITE;
        int bytes = blockBytes(load);
        Random random = new Random(1);
        long[] began = new long[load.depth()];
        long[] histogram = new long[4096];
        long ticks = NbdBench.cpuTicks(served.pid);
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
                long block = random.nextLong(served.bytes / bytes);
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
        long cpu = NbdBench.cpuTicks(served.pid) - ticks;
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
