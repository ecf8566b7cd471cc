package io.cistern.vmdisk;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.MemoryBlockDevice;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Whether the bytes are right: random requests against models, under completion in any order.
@Timeout(120)
class NbdVerifyTest {
    private static final long MIB = 1 << 20;

    @Test
    void libnbdAgreesWithItsModel() throws Exception {
        runModel(new MemoryBlockDevice(8 * MIB), 4_000);
    }

    @Test
    void libnbdAgreesWithItsModelWhenOthersComplete() throws Exception {
        MemoryBlockDevice device = new MemoryBlockDevice(5 * MIB + 512);
        try (Shuffler shuffler = new Shuffler(1)) {
            device.gate(shuffler);
            runModel(device, 2_000);
        }
    }

    private static void runModel(MemoryBlockDevice device, int count) throws Exception {
        long seed = System.nanoTime();
        System.out.println("seed " + seed);
        try (Served served = new Served(device, false, NbdLimits.DEFAULT)) {
            assertThat(python(served, "nbd_model.py", served.uri(), seed + "", count + ""))
                    .contains(count + " requests agree");
            assertThat(served.server.metrics().errors()).isZero();
        }
    }

    @Test
    void libnbdMeetsTheProtocolInItsCorners() throws Exception {
        MemoryBlockDevice device = new MemoryBlockDevice(40 * MIB + 512);
        try (Served served = new Served(device, false, NbdLimits.DEFAULT)) {
            String bad = served.uri().replace("///" + Served.NAME, "///nobody");
            assertThat(python(served, "nbd_corners.py", served.uri(), bad))
                    .contains("every corner holds");
            assertThat(served.server.metrics().protocolErrors()).isZero();
        }
    }

    /// Runs a script of this module's test resources to its end.
    private static String python(Served served, String name, String... arguments)
            throws IOException, InterruptedException {
        Path script = served.file(name);
        try (InputStream in = NbdVerifyTest.class.getResourceAsStream("/" + name)) {
            Files.copy(in, script);
        }
        List<String> line = new ArrayList<>(List.of("python3", script.toString()));
        line.addAll(List.of(arguments));
        return Tool.run(line.toArray(String[]::new)).succeeded().output();
    }

    @Test
    void fioVerifiesWhatItWrote() throws Exception {
        try (Served served =
                new Served(new MemoryBlockDevice(64 * MIB), false, NbdLimits.DEFAULT)) {
            fio(served, "--bs=4k", "--iodepth=32");
            fio(served, "--bsrange=512-128k", "--bs_unaligned=1", "--iodepth=16");
        }
    }

    @Test
    void fioVerifiesWhatCompletesOutOfOrder() throws Exception {
        MemoryBlockDevice device = new MemoryBlockDevice(64 * MIB);
        try (Shuffler shuffler = new Shuffler(16);
                Served served = new Served(device, false, NbdLimits.DEFAULT)) {
            device.gate(shuffler);
            fio(served, "--bsrange=4k-64k", "--iodepth=32");
        }
    }

    private static void fio(Served served, String... more) throws Exception {
        String[] line = {
            "fio",
            "--name=verify",
            "--ioengine=nbd",
            "--uri=" + served.uri(),
            "--rw=randwrite",
            "--size=64m",
            "--io_size=96m",
            "--verify=crc32c",
            "--verify_fatal=1",
            "--verify_state_save=0",
            "--serialize_overlap=1",
            "--output-format=terse"
        };
        String[] all = java.util.Arrays.copyOf(line, line.length + more.length);
        System.arraycopy(more, 0, all, line.length, more.length);
        String output = Tool.run(all).succeeded().output();
        assertThat(output).doesNotContain("verify:").doesNotContain("error");
    }

    /// Completes requests on a thread of its own, in random order among the last few.
    private static final class Shuffler implements MemoryBlockDevice.Gate, AutoCloseable {
        private final ArrayDeque<CompletableFuture<Void>> queue = new ArrayDeque<>();
        private final Random random;
        private final int among;
        private final Thread thread;
        private boolean done;

        Shuffler(int among) {
            long seed = System.nanoTime();
            System.out.println("shuffler seed " + seed);
            this.random = new Random(seed);
            this.among = among;
            this.thread = Thread.ofPlatform().start(this::run);
        }

        @Override
        public synchronized CompletableFuture<Void> pass(
                MemoryBlockDevice.Operation operation, long offset, long length) {
            CompletableFuture<Void> future = new CompletableFuture<>();
            queue.addLast(future);
            notifyAll();
            return future;
        }

        private void run() {
            while (true) {
                CompletableFuture<Void> next = take();
                if (next == null) {
                    return;
                }
                next.complete(null);
            }
        }

        private synchronized @Nullable CompletableFuture<Void> take() {
            while (queue.isEmpty() && !done) {
                try {
                    wait();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    return null;
                }
            }
            for (int i = random.nextInt(among); i > 0 && !queue.isEmpty(); i--) {
                queue.addLast(queue.removeFirst());
            }
            return queue.pollFirst();
        }

        @Override
        public void close() throws InterruptedException {
            synchronized (this) {
                done = true;
                notifyAll();
            }
            thread.join();
        }
    }
}
