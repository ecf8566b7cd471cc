package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.CreateSnapshots.Target;
import io.cistern.storage.CorruptBlocksException.Corrupt;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Flipped bits and failing disks: never wrong bytes, never a lost row taken for a hole, never an
/// fsync tried twice.
class DamageTest {
    private static final UUID CLUSTER = new UUID(1, 2);
    private static final int GRANULES = 12;

    @TempDir Path temp;

    private static DiskConfig config(Path directory) {
        return DiskConfig.of(directory, CLUSTER, "n1")
                .withExtent(1 << 20)
                .withCapacity(8 << 20)
                .withBackground(false)
                .withHalt((message, cause) -> {
                    throw new AssertionError(message, cause);
                });
    }

    private static TreeMap<Long, Integer> expected() {
        TreeMap<Long, Integer> blocks = new TreeMap<>();
        for (int g = 0; g < GRANULES; g++) {
            blocks.put((long) g * Slots.BLOCKS, g + 1);
        }
        return blocks;
    }

    private static void readAll(Store store) {
        int count = GRANULES * Slots.BLOCKS;
        ByteBuffer dst = ByteBuffer.allocate(count * Model.BLOCK);
        store.read(store.headView(Filler.VOLUME), 0, dst);
        assertThat(dst.flip()).isEqualTo(Model.bytes(expected(), 0, count));
    }

    private static Path filled(Path directory) {
        try (Disk disk = Disk.format(config(directory))) {
            Store store = disk.openStore(1);
            Filler.fill(store, GRANULES);
            store.checkpoint().join();
        }
        return directory;
    }

    private static void flip(Path file, long bit) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        bytes[(int) (bit / 8)] ^= (byte) (1 << bit % 8);
        Files.write(file, bytes);
    }

    @Test
    void everyFlippedBitInDataIsFoundAndMendedFromAPeer() throws IOException {
        Path directory = filled(temp.resolve("a"));
        Path peers = filled(temp.resolve("b"));
        Path file = directory.resolve("data/00000000.slots");
        Random random = new Random(5);
        try (Disk peer = Disk.open(config(peers))) {
            Store good = peer.openStore(1);
            for (int i = 0; i < 20; i++) {
                int slot = random.nextInt(GRANULES);
                long bit = (long) slot * Slots.SLOT_BYTES * 8 + random.nextInt(Model.BLOCK * 8);
                flip(file, bit);
                try (Disk disk = Disk.open(config(directory))) {
                    Store store = disk.openStore(1);
                    List<Corrupt> found = new ArrayList<>();
                    assertThatThrownBy(() -> readAll(store))
                            .isInstanceOfSatisfying(
                                    CorruptBlocksException.class, e -> found.addAll(e.blocks()));
                    assertThat(
                                    store.tryRead(
                                            store.headView(Filler.VOLUME),
                                            found.getFirst().row().granule() * Slots.SLOT_BYTES,
                                            ByteBuffer.allocate(100)))
                            .isFalse();
                    ScrubResult scrubbed = store.scrub(null, Long.MAX_VALUE);
                    assertThat(scrubbed.corrupt()).isEqualTo(found);
                    assertThat(scrubbed.next()).isNull();
                    Corrupt corrupt = found.getFirst();
                    assertThat(Integer.bitCount(corrupt.blocks())).isEqualTo(1);
                    assertThatThrownBy(
                                    () -> store.readGranule(corrupt.via(), corrupt.row().granule()))
                            .isInstanceOf(CorruptBlocksException.class);
                    GranuleData from = good.readGranule(corrupt.via(), corrupt.row().granule());
                    assertThat(store.repair(corrupt, from)).isEqualTo(corrupt.blocks());
                    readAll(store);
                    assertThat(store.scrub(null, Long.MAX_VALUE).corrupt()).isEmpty();
                }
            }
        }
    }

    @Test
    void otherBytesOfAPeerAreNotTakenForARepair() throws IOException {
        Path directory = filled(temp.resolve("a"));
        flip(directory.resolve("data/00000000.slots"), 80);
        try (Disk disk = Disk.open(config(directory))) {
            Store store = disk.openStore(1);
            Corrupt corrupt = store.scrub(null, Long.MAX_VALUE).corrupt().getFirst();
            ByteBuffer other = ByteBuffer.allocate(Model.BLOCK);
            GranuleData wrong =
                    new GranuleData(
                            corrupt.blocks(),
                            io.cistern.block.Crc32c.ofBlocks(other),
                            other,
                            corrupt.lastIndex(),
                            99);
            assertThat(store.repair(corrupt, wrong)).isZero();
            assertThatThrownBy(() -> readAll(store)).isInstanceOf(CorruptBlocksException.class);
        }
    }

    /// RocksDB would read it for ever.
    @Test
    void aRecordOfAManifestThatHasBecomeOneOfARecycledLogIsFound() throws IOException {
        Path directory = filled(temp.resolve("m"));
        String name = Files.readString(directory.resolve("map/CURRENT")).strip();
        Path manifest = directory.resolve("map").resolve(name);
        byte[] before = Files.readAllBytes(manifest);
        int records = 0;
        for (int at = 0; at < before.length; records++) {
            flip(manifest, (at + 6) * 8L + 2);
            assertThatThrownBy(() -> Disk.open(config(directory)).close())
                    .isInstanceOfSatisfying(
                            CisternException.class,
                            e -> assertThat(e.code()).isEqualTo(ErrorCode.CORRUPT))
                    .hasMessageContaining("has a record of type 5");
            Files.write(manifest, before);
            at += 7 + (before[at + 4] & 0xff | (before[at + 5] & 0xff) << 8);
        }
        assertThat(records).isGreaterThan(4);
        Disk.open(config(directory)).close();
    }

    /// The map either reports the damage or is not changed by it (bits nobody reads).
    @Property(tries = 60, shrinking = ShrinkingMode.OFF)
    void aFlippedBitInTheMapIsFoundOrHarmless(@ForAll long seed) throws IOException {
        Random random = new Random(seed);
        Path directory = Files.createTempDirectory("flip");
        filled(directory);
        List<Path> files;
        try (Stream<Path> list = Files.list(directory.resolve("map"))) {
            files =
                    list.filter(p -> !p.getFileName().toString().matches("LO.*|OPTIONS.*"))
                            .filter(p -> p.toFile().length() > 0)
                            .sorted()
                            .toList();
        }
        Path file = files.get(random.nextInt(files.size()));
        flip(file, random.nextLong(Files.size(file) * 8));
        try (Disk disk = Disk.open(config(directory))) {
            try {
                Store store = disk.openStore(1);
                assertThat(store.volumes()).hasSize(1);
                readAll(store);
            } catch (CisternException e) {
                assertThat(e.code()).isEqualTo(ErrorCode.CORRUPT);
                disk.dropStore(1);
                assertThat(disk.openStore(1).volumes()).isEmpty();
                assertThat(disk.freeBytes()).isEqualTo(disk.capacityBytes());
            }
        } catch (CisternException e) {
            assertThat(e.code()).as(e.getMessage()).isEqualTo(ErrorCode.CORRUPT);
        } finally {
            try (Stream<Path> tree = Files.walk(directory)) {
                for (Path path : tree.sorted(java.util.Comparator.reverseOrder()).toList()) {
                    Files.delete(path);
                }
            }
        }
    }

    @Test
    void aFailedWriteOrSyncHaltsAndIsNotTriedAgain() {
        List<String> halts = new ArrayList<>();
        DiskConfig config =
                config(temp.resolve("a"))
                        .withHalt((message, cause) -> halts.add(message + ": " + cause));
        Disk.format(config).close();
        FailingFiles files = new FailingFiles();
        try (Disk disk = Disk.open(config, files, Probe.NONE)) {
            Store store = disk.openStore(1);
            Filler.fill(store, 2);
            files.failSync = true;
            assertThat(store.checkpoint()).failsWithin(java.time.Duration.ofMinutes(1));
            assertThat(halts).isNotEmpty();
            assertThat(halts.getFirst()).contains("fdatasync").contains("errno 5").contains("data");
            assertThat(files.syncs).isEqualTo(1);
            halts.clear();
            files.failWrite = true;
            assertThatThrownBy(() -> Filler.fill(store, 1))
                    .isInstanceOf(IllegalStateException.class);
            assertThat(halts.getFirst()).contains("write").contains("errno 28");
        }
    }

    /// It covers what was written to the file before, which the kernel may have given up.
    @Test
    void aFailedSyncOfAnExtentThatGrowsHalts() {
        Path directory = temp.resolve("grows");
        Disk.format(config(directory).withCapacity(5 << 18)).close();
        List<String> halts = new ArrayList<>();
        FailingFiles files = new FailingFiles();
        DiskConfig config =
                config(directory)
                        .withHalt(
                                (message, cause) -> halts.add(message + ": " + cause.getMessage()));
        try (Disk disk = Disk.open(config.withCapacity(5 << 18), files, Probe.NONE)) {
            Store store = disk.openStore(1);
            Filler.fill(store, 18);
            store.checkpoint().join();
        }
        try (Disk disk = Disk.open(config, files, Probe.NONE)) {
            files.failSync = true;
            Store store = disk.openStore(1);
            assertThatThrownBy(() -> Filler.fill(store, 40))
                    .isInstanceOf(IllegalStateException.class);
        }
        assertThat(halts.getFirst()).contains("fdatasync").contains("errno 5");
    }

    private static final class FailingFiles implements DataFile.Factory {
        volatile boolean failSync;
        volatile boolean failWrite;
        volatile int syncs;

        @Override
        public DataFile create(Path path, long bytes) throws IOException {
            return wrap(NativeFile.FACTORY.create(path, bytes));
        }

        @Override
        public DataFile open(Path path) throws IOException {
            return wrap(NativeFile.FACTORY.open(path));
        }

        private DataFile wrap(DataFile file) {
            return new DataFile() {
                @Override
                public void write(long offset, ByteBuffer src) throws IOException {
                    if (failWrite) {
                        throw NativeIo.error("pwrite", "x", NativeIo.ENOSPC);
                    }
                    file.write(offset, src);
                }

                @Override
                public void read(long offset, ByteBuffer dst) throws IOException {
                    file.read(offset, dst);
                }

                @Override
                public boolean tryRead(long offset, ByteBuffer dst) throws IOException {
                    return file.tryRead(offset, dst);
                }

                @Override
                public void extend(long from, long bytes) throws IOException {
                    file.extend(from, bytes);
                }

                @Override
                public void sync() throws IOException {
                    if (failSync) {
                        syncs = syncs + 1;
                        throw NativeIo.error("fdatasync", "x", 5);
                    }
                    file.sync();
                }

                @Override
                public void close() {
                    file.close();
                }
            };
        }
    }

    @Test
    void unreadableMediaIsDamageThatAPeerMends() throws IOException {
        Path directory = filled(temp.resolve("a"));
        Path file = directory.resolve("data/00000000.slots");
        long length = Files.size(file);
        try (Disk disk = Disk.open(config(directory))) {
            Store store = disk.openStore(1);
            // A file cut short while open reads like sectors gone bad.
            try (var channel =
                    java.nio.channels.FileChannel.open(
                            file, java.nio.file.StandardOpenOption.WRITE)) {
                channel.truncate(Slots.SLOT_BYTES);
            }
            assertThatThrownBy(() -> readAll(store)).isInstanceOf(CorruptBlocksException.class);
            assertThat(length).isGreaterThan(Slots.SLOT_BYTES);
        }
    }

    @Test
    void snapshotsOfDamagedDataAreNotMergedAway() throws IOException {
        Path directory = filled(temp.resolve("a"));
        try (Disk disk = Disk.open(config(directory))) {
            Store store = disk.openStore(1);
            Filler.apply(
                    store, new Command.CreateSnapshots(List.of(new Target(Filler.VOLUME, "s")), 0));
            long attachment = Filler.attach(store, Filler.VOLUME).value();
            Filler.write(store, attachment, 1, 100);
            store.checkpoint().join();
        }
        Path file = directory.resolve("data/00000000.slots");
        flip(file, 80);
        try (Disk disk = Disk.open(config(directory))) {
            Store store = disk.openStore(1);
            Filler.apply(store, new Command.DeleteSnapshot(Filler.VOLUME, "s"));
            while (store.collect(1_000_000)) {
                Thread.onSpinWait();
            }
            assertThatThrownBy(() -> readAll(store)).isInstanceOf(CorruptBlocksException.class);
        }
        flip(file, 80);
        try (Disk disk = Disk.open(config(directory))) {
            Store store = disk.openStore(1);
            ByteBuffer dst = ByteBuffer.allocate(2 * Model.BLOCK);
            store.read(store.headView(Filler.VOLUME), 0, dst);
            assertThat(dst.getInt(0)).isEqualTo(1);
            assertThat(dst.getInt(Model.BLOCK)).isEqualTo(100);
        }
    }
}
