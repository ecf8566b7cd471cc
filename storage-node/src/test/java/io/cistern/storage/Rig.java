package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.BlockDevice.Extent.Kind;
import io.cistern.raft.LogPosition;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A store on a disk that can crash, and the log it can be replayed from.
final class Rig implements AutoCloseable {
    static final long GROUP = 3;
    private static final UUID CLUSTER = new UUID(1, 2);

    record Entry(long index, Command command, Outcome outcome) {}

    final Path directory;
    final List<Entry> log;
    final boolean ownsDirectory;
    private CrashFiles files = new CrashFiles();
    private Probe.@Nullable Step crashAt;
    Disk disk;
    Store store;

    private static final class Crash extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /// @param log shared with the rigs that replicate the same group
    Rig(List<Entry> log) throws IOException {
        this.log = log;
        ownsDirectory = true;
        directory = Files.createTempDirectory("rig");
        Disk.format(config()).close();
        disk = Disk.open(config(), files, this::probe);
        store = disk.openStore(GROUP);
    }

    private DiskConfig config() {
        return DiskConfig.of(directory, CLUSTER, "n1")
                .withExtent(4 << 20)
                .withCapacity(64 << 20)
                .withCache(64 << 10)
                .withBackground(false)
                .withHalt((message, cause) -> {
                    if (!(cause instanceof Crash)) {
                        throw new AssertionError(message, cause);
                    }
                });
    }

    private void probe(Probe.Step step) {
        if (step == crashAt) {
            throw new Crash();
        }
    }

    /// Applies the entries behind what the store has; outcomes must be those of the first time.
    void replay(long upTo) {
        for (Entry e : log) {
            if (e.index > store.applied().index() && e.index <= upTo) {
                Outcome outcome = store.apply(e.index, 1, e.command);
                assertThat(outcome.error()).as("entry %s", e.index).isEqualTo(e.outcome.error());
                assertThat(outcome.value()).isEqualTo(e.outcome.value());
                assertThat(outcome.reply()).isEqualTo(e.outcome.reply());
                store.advance(e.index, 1);
            }
        }
    }

    void crashAt(Probe.@Nullable Step step) {
        crashAt = step;
    }

    /// Ends as a power cut does, and starts again from the last checkpoint.
    void crash(Random random, double loss) throws IOException {
        LogPosition before = store.checkpointed();
        disk.beforeClose(() -> lose(random, loss));
        disk.close();
        crashAt = null;
        files = new CrashFiles();
        disk = Disk.open(config(), files, this::probe);
        store = disk.openStore(GROUP);
        if (!store.importing()) {
            assertThat(store.checkpointed().index()).isGreaterThanOrEqualTo(before.index());
        }
    }

    /// As [#crash], where the store was closed before and may have been dropped.
    void restart(Random random) throws IOException {
        disk.beforeClose(() -> lose(random, 1));
        disk.close();
        crashAt = null;
        files = new CrashFiles();
        disk = Disk.open(config(), files, this::probe);
        store = disk.openStore(GROUP);
    }

    private void lose(Random random, double loss) {
        try {
            files.crash(random, loss);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /// Compares a view with what it should show.
    void check(View view, TreeMap<Long, Integer> expected, long first, int count) {
        ByteBuffer dst = ByteBuffer.allocateDirect(count * Model.BLOCK);
        if (!store.tryRead(view, first * Model.BLOCK, dst)) {
            store.read(view, first * Model.BLOCK, dst);
        }
        ByteBuffer want = Model.bytes(expected, first, count);
        if (!dst.flip().equals(want)) {
            for (int i = 0; i < count; i++) {
                assertThat(dst.getInt(i * Model.BLOCK))
                        .as("block %s of %s", first + i, view)
                        .isEqualTo(want.getInt(i * Model.BLOCK));
            }
            throw new AssertionError("bytes inside a block differ in " + view);
        }
    }

    void checkExtents(View view, TreeMap<Long, Integer> expected, int blocks) {
        long at = 0;
        while (at < (long) blocks * Model.BLOCK) {
            List<Extent> extents = store.extents(view, at, (long) blocks * Model.BLOCK - at, 5);
            assertThat(extents).isNotEmpty();
            for (Extent e : extents) {
                for (long b = at / Model.BLOCK; b < (at + e.length()) / Model.BLOCK; b++) {
                    assertThat(e.kind() == Kind.DATA)
                            .as("block %s of %s is %s", b, view, e.kind())
                            .isEqualTo(expected.containsKey(b));
                }
                at += e.length();
            }
        }
    }

    void checkDiff(View a, TreeMap<Long, Integer> x, View b, TreeMap<Long, Integer> y, int blocks) {
        List<Long> differ = new ArrayList<>();
        for (long i = 0; i < blocks; i++) {
            if (!x.getOrDefault(i, 0).equals(y.getOrDefault(i, 0))) {
                differ.add(i);
            }
        }
        List<Store.Range> ranges =
                store.diff(a, b, 0, (long) blocks * Model.BLOCK, Integer.MAX_VALUE);
        for (long i : differ) {
            assertThat(ranges)
                    .as("block %s differs between %s and %s", i, a, b)
                    .anyMatch(r ->
                            r.offset() <= i * Model.BLOCK
                                    && i * Model.BLOCK < r.offset() + r.length());
        }
    }

    void collectAll() {
        while (store.collect(1_000_000)) {
            Thread.onSpinWait();
        }
    }

    @Override
    public void close() throws IOException {
        disk.close();
        try (Stream<Path> tree = Files.walk(directory)) {
            for (Path path : tree.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }
}
