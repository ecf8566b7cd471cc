package io.cistern.storage.group;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.CreateMode;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.SetAttributes;
import io.cistern.storage.Command.AttachMode;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/// Prints how fast a share is beside a volume on the same three replicas. Compares nothing: run it
/// with `-Dcistern.speed=true` on a quiet machine.
@EnabledIfSystemProperty(named = "cistern.speed", matches = "true")
class ShareSpeedTest {
    private static final int THREADS = 32;
    private static final int SECONDS = 2;

    @TempDir Path directory;

    private static void measure(String what, int threads, IntConsumer task) {
        for (int round = 0; round < 2; round++) {
            AtomicLong done = new AtomicLong();
            long end = System.nanoTime() + SECONDS * 1_000_000_000L;
            List<Thread> running = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                int thread = t;
                running.add(
                        Thread.ofPlatform()
                                .start(() -> {
                                    while (System.nanoTime() < end) {
                                        task.accept(thread);
                                        done.incrementAndGet();
                                    }
                                }));
            }
            running.forEach(t -> {
                try {
                    t.join();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            });
            if (round == 1) {
                System.out.printf(
                        "SPEED %s, %d at once: %d a second%n", what, threads, done.get() / SECONDS);
            }
        }
    }

    @Test
    void writesCreatesAndLookups() {
        Call root = Call.of(Credentials.ROOT);
        try (TestCluster cluster = new TestCluster(directory, TestCluster.Options.of(3))) {
            TestClient volume = new TestClient(cluster, 2);
            volume.create(64 << 20).attach(AttachMode.EXCLUSIVE);
            TestShare share = new TestShare(new TestClient(cluster, 1), 1);
            FileId file =
                    share.create(
                                    root,
                                    FileId.ROOT,
                                    ByteString.utf8("f"),
                                    CreateMode.GUARDED,
                                    SetAttributes.ofMode(0644))
                            .join()
                            .file()
                            .id();
            byte[] block = new byte[4096];
            Random random = new Random(1);
            for (int threads : new int[] {1, THREADS}) {
                measure(
                        "4 KiB volume writes",
                        threads,
                        t -> volume.write(random.nextInt(16_000) * 4096L, block));
                measure(
                        "4 KiB share writes to one file",
                        threads,
                        t ->
                                share.write(
                                                root,
                                                file,
                                                random.nextInt(16_000) * 4096L,
                                                ByteBuffer.wrap(block))
                                        .join());
            }
            AtomicLong names = new AtomicLong();
            measure(
                    "creates",
                    THREADS,
                    t ->
                            share.create(
                                            root,
                                            FileId.ROOT,
                                            ByteString.utf8("n" + names.incrementAndGet()),
                                            CreateMode.GUARDED,
                                            SetAttributes.ofMode(0644))
                                    .join());
            measure(
                    "lookups",
                    THREADS,
                    t ->
                            share.lookup(
                                            Credentials.ROOT,
                                            FileId.ROOT,
                                            ByteString.utf8(
                                                    "n" + (1 + random.nextInt((int) names.get()))))
                                    .join());
            AtomicLong removed = new AtomicLong();
            measure(
                    "removes",
                    THREADS,
                    t -> {
                        long n = removed.incrementAndGet();
                        if (n <= names.get()) {
                            share.remove(root, FileId.ROOT, ByteString.utf8("n" + n)).join();
                        }
                    });
            volume.close();
        }
    }
}
