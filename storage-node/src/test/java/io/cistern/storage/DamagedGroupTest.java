package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.FileTrees;
import io.cistern.storage.Command.CreateSnapshots.Target;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;

/// A disk with a sound group and one whose map is damaged: the sound one goes on, and takes nothing
/// from the other, whose rows may be all there is of somebody's data.
class DamagedGroupTest {
    private static final UUID CLUSTER = new UUID(1, 2);
    private static final long DAMAGED = 1;
    private static final long SOUND = 2;
    private static final int GRANULES = 12;

    @TempDir Path directory;

    private DiskConfig config() {
        return DiskConfig.of(directory, CLUSTER, "n1")
                .withExtent(1 << 20)
                .withCapacity(8 << 20)
                .withBackground(false)
                .withHalt((message, cause) -> {
                    throw new AssertionError(message, cause);
                });
    }

    private static void refused(Disk disk, long group, String words) {
        assertThatThrownBy(() -> disk.openStore(group))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.CORRUPT))
                .hasMessageContaining(words);
    }

    private static void assertFilled(Store store, int granules) {
        for (int g = 0; g < granules; g++) {
            ByteBuffer dst = ByteBuffer.allocate(4);
            store.read(store.headView(Filler.VOLUME), (long) g * Slots.SLOT_BYTES, dst);
            assertThat(dst.getInt(0)).as("granule %s", g).isEqualTo(g + 1);
        }
    }

    /// Both groups, half of the volume of the damaged one in a snapshot and written again.
    private void fill() {
        try (Disk disk = Disk.format(config())) {
            Store sound = disk.openStore(SOUND);
            Filler.fill(sound, 2);
            sound.checkpoint().join();
            Store damaged = disk.openStore(DAMAGED);
            Filler.fill(damaged, GRANULES / 2);
            Filler.apply(damaged, new Command.CreateSnapshots(List.of(new Target(1, "s")), 0));
            Filler.fill(damaged, GRANULES);
            damaged.checkpoint().join();
        }
    }

    /// Replaces a row in the map of a closed disk, and returns what it was.
    private byte @Nullable [] replaceRow(RowKey key, byte[] value) throws RocksDBException {
        byte[] stored = Keys.row(DAMAGED, key);
        try (MapDb db = MapDb.open(directory.resolve("map"), config().halt());
                WriteBatch batch = new WriteBatch()) {
            byte[] before = db.get(stored);
            batch.put(stored, value);
            db.write(batch);
            db.flush();
            return before;
        }
    }

    private byte[] slots() throws IOException {
        byte[] all = new byte[0];
        try (Stream<Path> files = Files.list(directory.resolve("data"))) {
            for (Path file : files.sorted().toList()) {
                byte[] more = Files.readAllBytes(file);
                int at = all.length;
                all = Arrays.copyOf(all, at + more.length);
                System.arraycopy(more, 0, all, at, more.length);
            }
        }
        return all;
    }

    /// Every block of the slots that a group held.
    private static void assertUntouched(java.util.BitSet held, byte[] before, byte[] after) {
        held.stream()
                .forEach(slot ->
                        assertThat(slot(after, slot))
                                .as("slot %s", slot)
                                .isEqualTo(slot(before, slot)));
    }

    private static byte[] slot(byte[] all, int slot) {
        int at = slot * Slots.SLOT_BYTES;
        return Arrays.copyOfRange(all, at, at + Slots.SLOT_BYTES);
    }

    private java.util.BitSet held() {
        try (Disk disk = Disk.open(config())) {
            return Tamper.held(disk.openStore(DAMAGED));
        }
    }

    @Test
    void othersTakeNoSlotOfAGroupWhoseMapCannotBeReadToItsEnd() throws Exception {
        fill();
        java.util.BitSet held = held();
        byte[] before = slots();
        RowKey first;
        try (Disk disk = Disk.open(config())) {
            first = Tamper.firstRow(disk.openStore(DAMAGED));
        }
        byte[] row = replaceRow(first, new byte[] {9});
        try (Disk disk = Disk.open(config())) {
            refused(disk, DAMAGED, "row");
            Store sound = disk.openStore(SOUND);
            Filler.fill(sound, 40);
            sound.checkpoint().join();
            assertThat(disk.checkBooks(worked -> {}).clean()).isTrue();
        }
        assertUntouched(held, before, slots());
        // Damage that goes away again: a cable, memory.
        replaceRow(first, java.util.Objects.requireNonNull(row));
        try (Disk disk = Disk.open(config())) {
            assertFilled(disk.openStore(DAMAGED), GRANULES);
            assertFilled(disk.openStore(SOUND), 40);
        }
    }

    @Test
    void othersTakeNoSlotOfAGroupWhoseMapHasLostACheckpoint() throws Exception {
        fill();
        Path map = directory.resolve("map");
        Path older = directory.resolve("older");
        copy(map, older);
        try (Disk disk = Disk.open(config())) {
            Store store = disk.openStore(DAMAGED);
            Filler.fill(store, GRANULES + 10);
            store.checkpoint().join();
        }
        java.util.BitSet held = held();
        byte[] before = slots();
        FileTrees.delete(map);
        copy(older, map);
        FileTrees.delete(older);
        try (Disk disk = Disk.open(config())) {
            Store sound = disk.openStore(SOUND);
            Filler.fill(sound, 40);
            sound.checkpoint().join();
            refused(disk, DAMAGED, "was checkpointed at");
        }
        assertUntouched(held, before, slots());
    }

    @Test
    void othersTakeNoSlotOfAGroupWhoseMapIsGone() throws Exception {
        fill();
        java.util.BitSet held = held();
        byte[] before = slots();
        try (MapDb db = MapDb.open(directory.resolve("map"), config().halt())) {
            db.dropGroup(DAMAGED, () -> {});
        }
        try (Disk disk = Disk.open(config())) {
            Store sound = disk.openStore(SOUND);
            Filler.fill(sound, 40);
            refused(disk, DAMAGED, "was checkpointed at");
        }
        assertUntouched(held, before, slots());
    }

    @Test
    void whatWasWithheldIsFreeOnceTheDamagedGroupIsDropped() throws Exception {
        fill();
        RowKey first;
        try (Disk disk = Disk.open(config())) {
            first = Tamper.firstRow(disk.openStore(DAMAGED));
        }
        replaceRow(first, new byte[] {9});
        try (Disk disk = Disk.open(config())) {
            Store sound = disk.openStore(SOUND);
            assertThat(disk.freeBytes()).isLessThan(disk.capacityBytes() - (2 << 16));
            disk.dropStore(DAMAGED);
            long used = sound.usage().usedBytes();
            assertThat(disk.freeBytes()).isEqualTo(disk.capacityBytes() - used);
            Filler.fill(disk.openStore(DAMAGED), 100);
            assertThat(disk.checkBooks(worked -> {}).clean()).isTrue();
        }
    }

    private DiskConfig large() {
        return config().withCapacity(64 << 20);
    }

    /// As [#fill], with so many rows of the damaged group that its file has several blocks.
    private void fillMany() {
        try (Disk disk = Disk.format(large())) {
            Store sound = disk.openStore(SOUND);
            Filler.fill(sound, 2);
            sound.checkpoint().join();
            Store damaged = disk.openStore(DAMAGED);
            Filler.fill(damaged, 900);
            damaged.checkpoint().join();
        }
    }

    /// As RocksDB does in time: the damaged group's rows are no longer in a file of level 0.
    private void merge() throws RocksDBException {
        try (Options options = new Options();
                RocksDB db = RocksDB.open(options, directory.resolve("map").toString())) {
            db.compactRange(Keys.of(DAMAGED, (char) 0), Keys.of(DAMAGED + 1, (char) 0));
        }
    }

    /// A bit flips in the largest file of the closed map, behind its first block: which groups
    /// there are can be read all the same.
    private void flip() throws IOException {
        Path file;
        try (Stream<Path> files = Files.list(directory.resolve("map"))) {
            file =
                    files.filter(f -> f.toString().endsWith(".sst"))
                            .max(java.util.Comparator.comparing(f -> f.toFile().length()))
                            .orElseThrow();
        }
        byte[] bytes = Files.readAllBytes(file);
        assertThat(bytes).hasSizeGreaterThan(17_000);
        bytes[bytes.length / 2] ^= 4;
        Files.write(file, bytes);
    }

    /// Merging files in the background would come upon the damage, and RocksDB take no writes then.
    @Test
    void aGroupWhoseRowsAreInADamagedFileIsDroppedAndOthersGoOn() throws Exception {
        fillMany();
        merge();
        flip();
        try (Disk disk = Disk.open(large())) {
            refused(disk, DAMAGED, "cannot be read");
            Store sound = disk.openStore(SOUND);
            for (int i = 1; i <= 8; i++) {
                Filler.fill(sound, 2 + i);
                sound.checkpoint().join();
            }
            disk.dropStore(DAMAGED);
            Store again = disk.openStore(DAMAGED);
            for (int i = 1; i <= 8; i++) {
                Filler.fill(again, i);
                again.checkpoint().join();
            }
        }
        try (Disk disk = Disk.open(large())) {
            assertFilled(disk.openStore(SOUND), 10);
            assertFilled(disk.openStore(DAMAGED), 8);
        }
        assertThat(directory.resolve("map/SUSPECT")).doesNotExist();
    }

    /// RocksDB deletes no file of level 0 as a whole. What is left of it would be come upon later.
    @Test
    void aDiskWhoseMapStaysDamagedWhenTheGroupIsDroppedIsSetAside() throws Exception {
        fillMany();
        flip();
        try (Disk disk = Disk.open(large())) {
            assertThatThrownBy(() -> disk.dropStore(DAMAGED))
                    .isInstanceOf(AssertionError.class)
                    .hasMessageContaining("map of");
        }
        assertThatThrownBy(() -> Disk.open(large()).close())
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.CORRUPT))
                .hasMessageContaining("is damaged");
        Disk.replace(large()).close();
    }

    @Test
    void aMapThatHasRefusedAWriteIsReadAsAWholeBeforeItIsUsedAgain() throws Exception {
        fillMany();
        try (MapDb db = MapDb.open(directory.resolve("map"), config().halt())) {
            db.suspect();
        }
        Disk.open(large()).close();
        assertThat(directory.resolve("map/SUSPECT")).doesNotExist();

        // What is left of a group is damaged, and nobody's.
        try (MapDb db = MapDb.open(directory.resolve("map"), config().halt())) {
            assertThatThrownBy(() ->
                            db.dropGroup(
                                    DAMAGED,
                                    () -> {
                                        throw new IllegalStateException("in between");
                                    }))
                    .hasMessage("in between");
        }
        Files.delete(directory.resolve("marks/" + DAMAGED));
        flip();
        Disk.open(large()).close();
        try (MapDb db = MapDb.open(directory.resolve("map"), config().halt())) {
            db.suspect();
        }
        assertThatThrownBy(() -> Disk.open(large()).close())
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.CORRUPT))
                .hasMessageContaining("is damaged");
    }

    /// As a replica is closed whose map has turned out to be damaged.
    @Test
    void aStoreWhoseMapWasDamagedMeanwhileCanBeClosedAndDropped() throws Exception {
        fill();
        try (Disk disk = Disk.open(config())) {
            Store sound = disk.openStore(SOUND);
            Store store = disk.openStore(DAMAGED);
            Filler.fill(store, GRANULES + 3);
            Tamper.spoilRow(store);
            store.close();
            refused(disk, DAMAGED, "row");
            Filler.fill(sound, 40);
            assertFilled(sound, 40);
            assertThat(disk.checkBooks(worked -> {}).clean()).isTrue();
            disk.dropStore(DAMAGED);
            long used = sound.usage().usedBytes();
            assertThat(disk.freeBytes()).isEqualTo(disk.capacityBytes() - used);
        }
    }

    /// As where a copy is being taken on a thread of its own, and comes to its next step when the
    /// replica has been deleted.
    @Test
    void aClosedStoreTakesNothingMore() throws Exception {
        fill();
        try (Disk disk = Disk.open(config())) {
            Store store = disk.openStore(DAMAGED);
            store.importBegin();
            store.close();
            disk.dropStore(DAMAGED);
            long free = disk.freeBytes();
            ByteBuffer block = ByteBuffer.allocate(Model.BLOCK);
            RowExport row =
                    new RowExport(
                            new RowKey(1, 0, 1),
                            1,
                            0,
                            1,
                            0,
                            io.cistern.block.Crc32c.ofBlocks(block),
                            block);
            assertThatThrownBy(() -> store.importRows(List.of(row)))
                    .isInstanceOf(CisternException.class)
                    .hasMessageContaining("has been closed");
            assertThat(store.checkpoint()).isCompletedExceptionally();
            assertThat(disk.freeBytes()).isEqualTo(free);
            assertThat(disk.groups()).doesNotContain(DAMAGED);
        }
    }

    @Test
    void whomAGroupMayBeCopiedFromIsKeptAndDamageToItFound() throws Exception {
        Disk.format(config()).close();
        try (Disk disk = Disk.open(config())) {
            assertThat(disk.allowedSources(SOUND)).isEmpty();
            disk.allowSources(SOUND, List.of("n0", "n2"));
        }
        try (Disk disk = Disk.open(config())) {
            assertThat(disk.groups()).isEmpty();
            assertThat(disk.allowedSources(SOUND)).containsExactly("n0", "n2");
            Path file = directory.resolve("marks/2.from");
            byte[] good = Files.readAllBytes(file);
            for (int bit = 0; bit < good.length * 8; bit += 5) {
                byte[] bad = good.clone();
                bad[bit / 8] ^= (byte) (1 << bit % 8);
                Files.write(file, bad);
                assertThatThrownBy(() -> disk.allowedSources(SOUND))
                        .hasMessageContaining("damaged list");
            }
            disk.allowAllSources(SOUND);
            assertThat(disk.allowedSources(SOUND)).isEmpty();
        }
    }

    private static void copy(Path from, Path to) throws IOException {
        Files.createDirectory(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
    }
}
