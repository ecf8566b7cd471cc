package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.CreateSnapshots.Target;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import org.junit.jupiter.api.Test;

/// Readers beside the apply thread, garbage collection and checkpoints: a block is always one that
/// was written, whole, and never older than what had been applied when the read began.
class ConcurrentReadTest {
    private static final int BLOCKS = 24 * Slots.BLOCKS;
    private static final int WRITES = 6000;
    private static final long SEED = 20261121;

    private final AtomicLongArray newest = new AtomicLongArray(BLOCKS);
    private final AtomicBoolean done = new AtomicBoolean();
    private final AtomicLong inline = new AtomicLong();

    @Test
    void readersSeeWholeAndRecentBlocks() throws IOException {
        try (Rig rig = new Rig(new ArrayList<>())) {
            Filler.fill(rig.store, 1);
            List<CompletableFuture<Long>> readers = new ArrayList<>();
            newest.set(0, 1);
            for (int i = 0; i < 3; i++) {
                int id = i;
                CompletableFuture<Long> reader = new CompletableFuture<>();
                readers.add(reader);
                Thread.ofPlatform()
                        .name("reader-" + i)
                        .start(() -> {
                            try {
                                reader.complete(read(rig.store, new Random(SEED + id)));
                            } catch (Throwable t) {
                                reader.completeExceptionally(t);
                            }
                        });
            }
            try {
                write(rig);
            } finally {
                done.set(true);
            }
            for (CompletableFuture<Long> reader : readers) {
                assertThat(reader.join()).as("seed %s", SEED).isPositive();
            }
            assertThat(inline.get()).isPositive();
        }
    }

    private void write(Rig rig) {
        Random random = new Random(SEED);
        Store store = rig.store;
        long attachment = Filler.attach(store, Filler.VOLUME).value();
        for (int i = 2; i < WRITES; i++) {
            int block = random.nextInt(BLOCKS);
            Filler.write(store, attachment, block, i);
            newest.set(block, i);
            if (i % 97 == 0) {
                Filler.apply(
                        store,
                        new Command.CreateSnapshots(
                                List.of(new Target(Filler.VOLUME, "s" + i)), 0));
            }
            if (i % 97 == 50 && i > 200) {
                Filler.apply(store, new Command.DeleteSnapshot(Filler.VOLUME, "s" + (i / 97 * 97)));
            }
            if (i % 11 == 0) {
                store.collect(200_000);
            }
            if (i % 301 == 0) {
                store.checkpoint();
            }
        }
    }

    private long read(Store store, Random random) {
        ByteBuffer dst = ByteBuffer.allocateDirect(4 * Model.BLOCK);
        ByteBuffer want = ByteBuffer.allocate(Model.BLOCK);
        long reads = 0;
        while (!done.get()) {
            int first = random.nextInt(BLOCKS - 3);
            long[] atLeast = new long[4];
            for (int b = 0; b < 4; b++) {
                atLeast[b] = newest.get(first + b);
            }
            dst.clear();
            try {
                View view = store.headView(Filler.VOLUME);
                if (store.tryRead(view, (long) first * Model.BLOCK, dst)) {
                    inline.incrementAndGet();
                } else {
                    store.read(view, (long) first * Model.BLOCK, dst);
                }
            } catch (CisternException e) {
                assertThat(e.code()).isEqualTo(ErrorCode.STALE);
                continue;
            }
            for (int b = 0; b < 4; b++) {
                int stamp = dst.getInt(b * Model.BLOCK);
                assertThat((long) stamp).isGreaterThanOrEqualTo(atLeast[b]);
                Model.fill(want.clear(), stamp);
                assertThat(dst.slice(b * Model.BLOCK, Model.BLOCK)).isEqualTo(want.flip());
            }
            reads++;
        }
        return reads;
    }
}
