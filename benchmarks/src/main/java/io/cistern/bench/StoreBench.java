package io.cistern.bench;

import io.cistern.block.Crc32c;
import io.cistern.raft.Halt;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.CreateSnapshots.Target;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.CommandCodec;
import io.cistern.storage.Disk;
import io.cistern.storage.DiskConfig;
import io.cistern.storage.Origin;
import io.cistern.storage.Outcome;
import io.cistern.storage.Store;
import io.cistern.storage.View;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// The storage engine's hot paths, each on one thread: what one 4 KiB write and read cost beside
/// network and log, and that snapshots and clones do not depend on how many there are.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 3, time = 2)
@SuppressWarnings("NullAway.Init") // JMH calls open() before anything else
public class StoreBench {
    private static final int BLOCK = 4096;
    private static final long VOLUME = 1;
    private static final long SIZE = 1L << 40;

    /// What is written to: 256 MiB, in the cache of map rows.
    private static final int HOT_BLOCKS = 64 << 10;

    @Param({"1"})
    public int snapshots;

    private Path directory;
    private Disk disk;
    private Store store;
    private View head;
    private long index;
    private long seq;
    private long attachment;
    private final SplittableRandom random = new SplittableRandom(1);
    private final ByteBuffer block = ByteBuffer.allocateDirect(BLOCK);
    private final ByteBuffer dst = ByteBuffer.allocateDirect(BLOCK);
    private int[] crcs;
    private ByteBuffer encoded;

    @Setup
    public void open() throws IOException {
        directory = Files.createTempDirectory("store-bench");
        disk =
                Disk.format(
                        DiskConfig.of(directory, new UUID(1, 1), "bench")
                                .withCapacity(4L << 30)
                                .withHalt(Halt.process()));
        store = disk.openStore(1);
        apply(new Command.CreateVolume(VOLUME, SIZE, Limits.NONE, 0));
        attachment =
                apply(new Command.Attach(VOLUME, AttachMode.EXCLUSIVE, 1, 1, "bench", 0)).value();
        new java.util.Random(1).ints(BLOCK / 4).forEach(block::putInt);
        block.flip();
        crcs = Crc32c.ofBlocks(block);
        for (int i = 0; i < snapshots; i++) {
            apply(new Command.CreateSnapshots(List.of(new Target(VOLUME, "s" + i)), 0));
        }
        for (long b = 0; b < HOT_BLOCKS; b++) {
            apply(write(b));
        }
        store.checkpoint().join();
        head = store.headView(VOLUME);
        encoded = ByteBuffer.allocateDirect(CommandCodec.size(write(0)));
    }

    @TearDown
    public void close() throws IOException {
        disk.close();
        try (Stream<Path> tree = Files.walk(directory)) {
            for (Path path : tree.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    private Outcome apply(Command command) {
        index++;
        Outcome outcome = store.apply(index, 1, command);
        store.advance(index, 1);
        if (store.checkpointDue()) {
            store.checkpoint();
        }
        return outcome;
    }

    private Command.Write write(long at) {
        seq++;
        return new Command.Write(
                VOLUME, new Origin(attachment, seq, seq), 0, at * BLOCK, crcs, block);
    }

    private long hot() {
        return random.nextLong(HOT_BLOCKS);
    }

    /// A 4 KiB overwrite: dedupe window, map, page cache.
    @Benchmark
    public Outcome applyWrite() {
        return apply(write(hot()));
    }

    /// A 4 KiB read out of the page cache, verified.
    @Benchmark
    public boolean tryRead() {
        return store.tryRead(head, hot() * BLOCK, dst.clear());
    }

    /// The map alone: a read of a granule that holds nothing.
    @Benchmark
    public boolean lookUpHole() {
        return store.tryRead(head, (SIZE / 2 / BLOCK + hot() * 16) * BLOCK, dst.clear());
    }

    @Benchmark
    public int crc() {
        return Crc32c.of(block);
    }

    @Benchmark
    public int encodeWrite() {
        CommandCodec.encode(write(1), encoded.clear());
        return encoded.position();
    }

    @Benchmark
    public Command decodeWrite() {
        if (encoded.position() == 0) {
            CommandCodec.encode(write(1), encoded.clear());
        }
        return CommandCodec.decode(encoded.duplicate().flip());
    }

    /// A snapshot and its deletion.
    @Benchmark
    public Outcome snapshotAndDelete() {
        apply(new Command.CreateSnapshots(List.of(new Target(VOLUME, "now")), 0));
        return apply(new Command.DeleteSnapshot(VOLUME, "now"));
    }

    /// A clone and its deletion.
    @Benchmark
    public Outcome cloneAndDelete() {
        apply(new Command.CloneVolume(VOLUME + 1, VOLUME, "s0", Limits.NONE, 0));
        return apply(new Command.DeleteVolume(VOLUME + 1));
    }
}
