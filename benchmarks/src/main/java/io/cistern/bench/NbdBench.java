package io.cistern.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cistern.block.FileTrees;
import io.cistern.block.MemoryBlockDevice;
import io.cistern.vmdisk.BufferPool;
import io.cistern.vmdisk.Export;
import io.cistern.vmdisk.NbdLimits;
import io.cistern.vmdisk.NbdServer;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;

/// What the NBD server costs: fio's nbd engine on a memory device, beside nbdkit's memory plugin.
///
/// `NbdBench [SECONDS]` prints a Markdown table of one run: three servers by six loads, each after
/// a warm-up, with the server's processor time per request. `NbdBench serve SOCKET [async]` only
/// serves, until it is killed. Needs fio, nbdkit and nbdcopy.
public final class NbdBench {
    static final long DEVICE_BYTES = 512L << 20;
    private static final int DEFAULT_SECONDS = 5;

    record Load(String rw, String blockSize, int depth) {}

    record Score(double iops, double mibPerS, double p50Us, double p99Us, double cpuUs) {}

    static final List<Load> LOADS =
            List.of(
                    new Load("randread", "4k", 1),
                    new Load("randwrite", "4k", 1),
                    new Load("randread", "4k", 32),
                    new Load("randwrite", "4k", 32),
                    new Load("randread", "128k", 8),
                    new Load("randwrite", "128k", 8));

    private NbdBench() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        if (args.length > 1 && args[0].equals("serve")) {
            boolean async = args.length > 2 && args[2].equals("async");
            try (NbdServer server = serve(Path.of(args[1]).toAbsolutePath(), async)) {
                System.out.println("serving on " + server.socket());
                Thread.currentThread().join();
            }
            return;
        }
        int seconds = args.length > 0 ? Integer.parseInt(args[0]) : DEFAULT_SECONDS;
        Path directory = Files.createTempDirectory("nbd-bench");
        try {
            compare(directory, seconds);
        } finally {
            FileTrees.delete(directory);
        }
    }

    private static void compare(Path directory, int seconds)
            throws IOException, InterruptedException {
        System.out.println("| server | load | IOPS | MiB/s | p50 us | p99 us | server CPU us |");
        System.out.println("|---|---|---|---|---|---|---|");
        long self = ProcessHandle.current().pid();
        try (NbdServer inline = serve(directory.resolve("inline"), false)) {
            grid("Cistern, answers at hand", inline.socket(), self, seconds);
        }
        try (NbdServer async = serve(directory.resolve("async"), true)) {
            grid("Cistern, answers of another thread", async.socket(), self, seconds);
        }
        Path socket = directory.resolve("nbdkit");
        Process nbdkit =
                new ProcessBuilder("nbdkit", "-f", "-U", socket.toString(), "memory", "512M")
                        .inheritIO()
                        .start();
        try {
            while (!Files.exists(socket)) {
                Thread.sleep(10);
            }
            Path data = Files.write(directory.resolve("data"), random((int) DEVICE_BYTES));
            run("nbdcopy", data.toString(), uri(socket));
            Files.delete(data);
            grid("nbdkit memory", socket, nbdkit.pid(), seconds);
        } finally {
            nbdkit.destroy();
            nbdkit.waitFor();
        }
    }

    private static NbdServer serve(Path socket, boolean async) {
        return NbdServer.open(
                new Export("bench", device(async), false),
                socket,
                new BufferPool(512 << 20),
                NbdLimits.DEFAULT);
    }

    /// A device in memory, full of data.
    ///
    /// @param async true for one that answers on a thread of its own
    static MemoryBlockDevice device(boolean async) {
        MemoryBlockDevice device = new MemoryBlockDevice(DEVICE_BYTES);
        ByteBuffer data = ByteBuffer.wrap(random(1 << 20));
        for (long at = 0; at < DEVICE_BYTES; at += data.capacity()) {
            device.write(at, data).join();
        }
        if (async) {
            device.gate(new Batches());
        }
        return device;
    }

    private static byte[] random(int length) {
        byte[] bytes = new byte[length];
        new Random(1).nextBytes(bytes);
        return bytes;
    }

    private static String uri(Path socket) {
        return "nbd+unix:///?socket=" + socket;
    }

    private static void grid(String name, Path socket, long pid, int seconds)
            throws IOException, InterruptedException {
        for (Load load : LOADS) {
            measure(load, socket, pid, Math.max(2, seconds / 2));
        }
        for (Load load : LOADS) {
            print(name, load, measure(load, socket, pid, seconds));
        }
    }

    static void print(String name, Load load, Score score) {
        System.out.printf(
                "| %s | %s %s, %d outstanding | %.0f | %.0f | %.0f | %.0f | %.1f |%n",
                name,
                load.rw(),
                load.blockSize(),
                load.depth(),
                score.iops(),
                score.mibPerS(),
                score.p50Us(),
                score.p99Us(),
                score.cpuUs());
    }

    static Score measure(Load load, Path socket, long pid, int seconds)
            throws IOException, InterruptedException {
        long before = cpuTicks(pid);
        String output =
                run(
                        "fio",
                        "--name=load",
                        "--ioengine=nbd",
                        "--uri=" + uri(socket),
                        "--rw=" + load.rw(),
                        "--bs=" + load.blockSize(),
                        "--iodepth=" + load.depth(),
                        "--size=" + DEVICE_BYTES,
                        "--time_based",
                        "--runtime=" + seconds,
                        "--output-format=json");
        long ticks = cpuTicks(pid) - before;
        JsonNode job =
                new ObjectMapper()
                        .readTree(output.substring(output.indexOf("{\n")))
                        .at("/jobs/0/" + load.rw().substring("rand".length()));
        JsonNode latency = job.at("/clat_ns/percentile");
        // A tick is 10 ms on every Linux that Java runs on.
        return new Score(
                job.path("iops").asDouble(),
                job.path("bw_bytes").asDouble() / (1 << 20),
                latency.path("50.000000").asDouble() / 1e3,
                latency.path("99.000000").asDouble() / 1e3,
                ticks * 10_000.0 / Math.max(1, job.path("total_ios").asLong()));
    }

    static long cpuTicks(long pid) throws IOException {
        String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
        return Long.parseLong(fields[11]) + Long.parseLong(fields[12]);
    }

    static String run(String... command) throws IOException, InterruptedException {
        File output = File.createTempFile("nbd-bench", ".out");
        try {
            Process process =
                    new ProcessBuilder(command)
                            .redirectError(ProcessBuilder.Redirect.DISCARD)
                            .redirectOutput(output)
                            .start();
            int exit = process.waitFor();
            String text = Files.readString(output.toPath(), StandardCharsets.UTF_8);
            if (exit != 0) {
                throw new IOException(String.join(" ", command) + " failed: " + text);
            }
            return text;
        } finally {
            Files.delete(output.toPath());
        }
    }

    /// Completes what has queued, in one go, on a thread of its own, as the volume client does with
    /// the answers of a node.
    private static final class Batches implements MemoryBlockDevice.Gate {
        private final LinkedBlockingQueue<CompletableFuture<Void>> queue =
                new LinkedBlockingQueue<>();

        Batches() {
            Thread.ofPlatform().daemon().name("completer").start(this::run);
        }

        @Override
        public CompletableFuture<Void> pass(
                MemoryBlockDevice.Operation operation, long offset, long length) {
            CompletableFuture<Void> future = new CompletableFuture<>();
            queue.add(future);
            return future;
        }

        private void run() {
            List<CompletableFuture<Void>> batch = new ArrayList<>();
            try {
                while (true) {
                    batch.add(queue.take());
                    queue.drainTo(batch);
                    for (CompletableFuture<Void> future : batch) {
                        future.complete(null);
                    }
                    batch.clear();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
