package io.cistern.storage;

import io.cistern.chaos.sim.Killed;
import io.cistern.chaos.sim.Machine;
import io.cistern.chaos.sim.Sim;
import io.cistern.raft.Halt;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A disk that outlives the processes that open it. Slots are in memory, where they can be lost,
/// torn, misplaced and rot; the map is the real one in a directory, which ought to be in memory
/// too. What was not synced goes with the power.
public final class SimDisk {
    private static final int SECTOR = 512;
    private static final UUID CLUSTER = new UUID(1, 2);
    static final int EXTENT_BYTES = 1 << 20;

    /// What goes wrong with writes and reads from now on.
    public static final class Troubles {
        public double lostWrite;
        public double misdirectedWrite;
        public boolean failWrites;
        public boolean failSyncs;

        /// The process ends in the next checkpoint, at this step.
        Probe.@Nullable Step crashAt;

        public void crashNowhere() {
            crashAt = null;
        }

        public void crashInCheckpoint(int step) {
            crashAt = Probe.Step.values()[step % Probe.Step.values().length];
        }
    }

    private final class Content {
        byte[] bytes;
        final TreeMap<Integer, byte[]> unsynced = new TreeMap<>();

        Content(int size) {
            bytes = new byte[size];
        }

        void put(long offset, byte[] data) {
            int from = (int) offset;
            for (int s = from / SECTOR; s <= (from + data.length - 1) / SECTOR; s++) {
                int at = s * SECTOR;
                unsynced.computeIfAbsent(s, k -> Arrays.copyOfRange(bytes, at, at + SECTOR));
            }
            System.arraycopy(data, 0, bytes, from, data.length);
        }

        int losePower(Random random, double loss) {
            int lost = 0;
            for (Map.Entry<Integer, byte[]> e : unsynced.entrySet()) {
                if (random.nextDouble() < loss) {
                    System.arraycopy(e.getValue(), 0, bytes, e.getKey() * SECTOR, SECTOR);
                    lost++;
                }
            }
            unsynced.clear();
            return lost;
        }
    }

    private final Sim sim;
    private final Path directory;
    private final String node;
    private final long capacityBytes;
    private final TreeMap<String, Content> files = new TreeMap<>();
    private final ArrayDeque<Runnable> checkpoints = new ArrayDeque<>();
    private Troubles troubles = new Troubles();
    private boolean dying;
    private @Nullable Disk disk;

    public SimDisk(Sim sim, Path directory, String node, long capacityBytes) {
        this.sim = sim;
        this.directory = directory;
        this.node = node;
        this.capacityBytes = capacityBytes;
    }

    public Troubles troubles() {
        return troubles;
    }

    /// Formats the disk and leaves it closed.
    public void format() {
        files.clear();
        Disk.format(config((message, cause) -> {})).close();
    }

    /// Throws everything on it away.
    public void wipe() {
        try (Stream<Path> tree = Files.exists(directory) ? Files.walk(directory) : Stream.empty()) {
            for (Path path : tree.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        files.clear();
    }

    private DiskConfig config(Halt halt) {
        return DiskConfig.of(directory, CLUSTER, node)
                .withExtent(EXTENT_BYTES)
                .withCapacity(capacityBytes)
                .withCache(32 << 10)
                .withBackground(false)
                .withHalt(halt);
    }

    public Disk open(Machine machine, Halt halt) {
        troubles = new Troubles();
        dying = false;
        checkpoints.clear();
        Disk opened = Disk.open(config(halt), new MemoryFiles(), this::probe, new Threads(machine));
        disk = opened;
        return opened;
    }

    private void probe(Probe.Step step) {
        if (dying || step == troubles.crashAt) {
            troubles.crashAt = null;
            throw new Crash();
        }
    }

    /// Ends a checkpoint in the middle.
    public static final class Crash extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /// The process is dead: closes without writing anything more.
    ///
    /// @param power whether the power went, too
    /// @return sectors lost
    public int crash(boolean power, double loss) {
        dying = true;
        while (!checkpoints.isEmpty()) {
            checkpoints.remove().run();
        }
        Disk open = disk;
        if (open != null) {
            open.close();
            disk = null;
        }
        int lost = 0;
        if (power) {
            for (Content file : files.values()) {
                lost += file.losePower(sim.random(), loss);
            }
        }
        return lost;
    }

    /// Flips a bit in one of the blocks that something was written to.
    ///
    /// @return whether there was any
    public boolean rot(Random random) {
        List<Content> all = new ArrayList<>(files.values());
        for (int attempt = 0; attempt < 64 && !all.isEmpty(); attempt++) {
            Content file = all.get(random.nextInt(all.size()));
            int block = random.nextInt(file.bytes.length / 4096);
            if (file.bytes[block * 4096] != 0 || file.bytes[block * 4096 + 7] != 0) {
                file.bytes[block * 4096 + random.nextInt(4096)] ^= (byte) (1 << random.nextInt(8));
                return true;
            }
        }
        return false;
    }

    /// Damages the map while nobody has it open.
    ///
    /// @return whether there was anything to damage
    public boolean rotMap(Random random) {
        try (Stream<Path> list = Files.list(directory.resolve("map"))) {
            List<Path> tables = list.filter(p -> p.toString().endsWith(".sst")).sorted().toList();
            if (tables.isEmpty()) {
                return false;
            }
            Path victim = tables.get(random.nextInt(tables.size()));
            try (RandomAccessFile file = new RandomAccessFile(victim.toFile(), "rw")) {
                long at = random.nextInt((int) Math.max(1, file.length() / 2));
                file.seek(at);
                int value = file.read();
                file.seek(at);
                file.write(value ^ 0x10);
            }
            return true;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Bytes of slots in use, by the disk's books.
    public static long usedBytes(Disk disk) {
        return disk.capacityBytes() - disk.freeBytes();
    }

    /// Collects a little garbage and begins a checkpoint where one is due, as a disk's own thread
    /// would.
    public void housekeeping(int steps) {
        Disk open = disk;
        if (open == null) {
            return;
        }
        for (GroupStore store : open.contents().stores()) {
            for (int i = 0; i < steps && store.collect(0); i++) {
                // A step at a time, so that time does not decide how many.
            }
            store.checkpointIfDue();
        }
    }

    /// Whether no checkpoint is being written.
    public boolean quiet() {
        return checkpoints.isEmpty();
    }

    /// Bytes of slots in use, counted anew: closes the stores, and opens the disk once more.
    public long recount() {
        Disk open = disk;
        if (open == null) {
            return -1;
        }
        open.close();
        disk = null;
        try (Disk again =
                Disk.open(
                        config((message, cause) -> {
                            throw new IllegalStateException(message, cause);
                        }),
                        new MemoryFiles(),
                        Probe.NONE)) {
            return usedBytes(again);
        }
    }

    /// Collects all there is and makes it durable; an event may call it.
    public void settle() {
        Disk open = disk;
        if (open == null) {
            return;
        }
        for (GroupStore store : open.contents().stores()) {
            // Branches with damaged blocks are looked at again after a checkpoint.
            for (int round = 0; round < 4; round++) {
                for (int i = 0; i < 10_000 && store.collect(0); i++) {
                    // All of it.
                }
                store.checkpointNow();
            }
        }
    }

    private final class Threads implements DiskThreads {
        private final Machine machine;

        Threads(Machine machine) {
            this.machine = machine;
        }

        @Override
        public Executor checkpoints() {
            return task -> {
                checkpoints.add(task);
                sim.after(
                        machine,
                        sim.between(100_000, 20_000_000),
                        () -> {
                            if (checkpoints.remove(task)) {
                                task.run();
                            }
                        });
            };
        }

        @Override
        @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
        public <T> T await(CompletableFuture<T> future) {
            if (dying) {
                // Whoever should have completed it may be dead.
                return future.isDone() ? future.join() : null;
            }
            return sim.await(future);
        }

        @Override
        public long nanoTime() {
            return machine.nanoTime();
        }

        @Override
        public void close() {}
    }

    /// There is nothing beyond the cap, so that whatever needs more than it should is found.
    private void claim(Path path, long bytes) throws IOException {
        long others = 0;
        for (Map.Entry<String, Content> file : files.entrySet()) {
            others += file.getKey().equals(path.toString()) ? 0 : file.getValue().bytes.length;
        }
        if (others + bytes > capacityBytes) {
            throw new IOException(path + ": errno 28, No space left on device");
        }
    }

    private final class MemoryFiles implements DataFile.Factory {
        @Override
        public DataFile create(Path path, long bytes) throws IOException {
            if (troubles.failWrites) {
                throw new IOException("create " + path + ": errno 5, Input/output error");
            }
            claim(path, bytes);
            try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
                file.setLength(bytes);
            }
            Content content = new Content((int) bytes);
            files.put(path.toString(), content);
            return new SimFile(path, content);
        }

        @Override
        public DataFile open(Path path) {
            return new SimFile(path, java.util.Objects.requireNonNull(files.get(path.toString())));
        }
    }

    private final class SimFile implements DataFile {
        private final Path path;
        private final Content content;

        SimFile(Path path, Content content) {
            this.path = path;
            this.content = content;
        }

        @Override
        public void extend(long from, long bytes) throws IOException {
            if (troubles.failWrites) {
                throw new IOException("extend " + path + ": errno 5, Input/output error");
            }
            claim(path, bytes);
            try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
                file.setLength(bytes);
            }
            content.bytes = Arrays.copyOf(content.bytes, (int) bytes);
        }

        @Override
        public void write(long offset, ByteBuffer src) throws IOException {
            if (dying) {
                throw new Killed();
            }
            if (troubles.failWrites) {
                throw new IOException("pwrite: errno 5, Input/output error");
            }
            byte[] data = new byte[src.remaining()];
            src.duplicate().get(data);
            if (sim.chance(troubles.lostWrite)) {
                return;
            }
            long at = offset;
            if (sim.chance(troubles.misdirectedWrite)) {
                int blocks = content.bytes.length / 4096;
                long elsewhere = (long) sim.random().nextInt(blocks) * 4096;
                at = Math.min(elsewhere, content.bytes.length - data.length);
            }
            content.put(at, data);
        }

        @Override
        public void read(long offset, ByteBuffer dst) {
            int length = dst.remaining();
            dst.put(content.bytes, (int) offset, length);
        }

        @Override
        public boolean tryRead(long offset, ByteBuffer dst) {
            if (sim.chance(0.3)) {
                return false;
            }
            read(offset, dst);
            return true;
        }

        @Override
        public void sync() throws IOException {
            if (troubles.failSyncs) {
                throw new IOException("fdatasync: errno 5, Input/output error");
            }
            content.unsynced.clear();
        }

        @Override
        public void close() {}
    }
}
