package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.Crc32c;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.UUID;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What makes a directory a disk, and what keeps it from being taken for another.
class DiskTest {
    private static final UUID CLUSTER = new UUID(1, 2);

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

    private static void refused(ThrowingCallable call, ErrorCode code, String words) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).as(e.getMessage()).isEqualTo(code))
                .hasMessageContaining(words);
    }

    private void patch(int at, byte[] bytes, boolean checksum) throws IOException {
        for (int copy = 0; copy < 2; copy++) {
            try (FileChannel file =
                    FileChannel.open(
                            directory.resolve("cistern.disk"),
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE)) {
                long base = (long) copy * Superblock.STRIDE;
                file.write(ByteBuffer.wrap(bytes), base + at);
                ByteBuffer all = ByteBuffer.allocate(Superblock.COPY_BYTES);
                file.read(all, base);
                int crc = Crc32c.of(all.slice(0, Superblock.COPY_BYTES - 4));
                if (checksum) {
                    file.write(
                            ByteBuffer.allocate(4).putInt(crc).flip(),
                            base + Superblock.COPY_BYTES - 4);
                }
            }
        }
    }

    @Test
    void formatRefusesADirectoryThatHoldsSomething() throws IOException {
        Files.createDirectory(directory.resolve("raft"));
        Files.writeString(directory.resolve("thesis.txt"), "x");
        refused(() -> Disk.format(config()), ErrorCode.INVALID, "not empty");
        assertThat(directory.resolve("thesis.txt")).exists();
        Files.delete(directory.resolve("thesis.txt"));
        Disk.format(config()).close();
        refused(() -> Disk.format(config()), ErrorCode.INVALID, "already");
    }

    @Test
    void formatRefusesWhatIsNoDirectory() throws IOException {
        Path file = directory.resolve("file");
        Files.writeString(file, "x");
        for (Path path : new Path[] {file, Path.of("/dev/null")}) {
            refused(
                    () -> Disk.format(DiskConfig.of(path, CLUSTER, "n1")),
                    ErrorCode.INVALID,
                    "not a directory");
        }
        assertThat(file).hasContent("x");
    }

    @Test
    void formatGoesOnWhereACrashInterruptedIt() throws IOException {
        Disk.format(config()).close();
        Files.delete(directory.resolve("cistern.disk"));
        refused(() -> Disk.format(config()), ErrorCode.INVALID, "not empty");
        Files.write(directory.resolve("cistern.formatting"), new byte[0]);
        Disk.format(config()).close();
        assertThat(directory.resolve("cistern.formatting")).doesNotExist();
    }

    @Test
    void openRefusesWhatIsNotThisNodesDisk() {
        refused(() -> Disk.open(config()), ErrorCode.NOT_FOUND, "not a Cistern disk");
        Disk.format(config()).close();
        DiskConfig c = config();
        refused(
                () -> Disk.open(DiskConfig.of(directory, new UUID(9, 9), "n1")),
                ErrorCode.INVALID,
                "belongs to cluster");
        refused(
                () -> Disk.open(DiskConfig.of(directory, CLUSTER, "n2")),
                ErrorCode.INVALID,
                "belongs to node");
        try (Disk open = Disk.open(c)) {
            assertThat(open.id()).isNotNull();
            refused(() -> Disk.open(c), ErrorCode.BUSY, "in use");
        }
    }

    @Test
    void corruptTooOldAndTooNewAreThreeErrors() throws IOException {
        Disk.format(config()).close();
        patch(8, new byte[] {0, 0, 0, 2}, true);
        refused(() -> Disk.open(config()), ErrorCode.INVALID, "too new");
        patch(8, new byte[] {0, 0, 0, 0}, true);
        refused(() -> Disk.open(config()), ErrorCode.INVALID, "too old");
        patch(8, new byte[] {0, 0, 0, 1}, true);
        Disk.open(config()).close();
        patch(20, new byte[] {77}, false);
        refused(() -> Disk.open(config()), ErrorCode.CORRUPT, "corrupt");
    }

    @Test
    void oneSoundSuperblockCopyIsEnoughAndMendsTheOther() throws IOException {
        Disk.format(config()).close();
        Path file = directory.resolve("cistern.disk");
        byte[] good = Files.readAllBytes(file);
        for (int at : new int[] {13, Superblock.STRIDE + 13}) {
            byte[] bad = good.clone();
            bad[at] ^= 4;
            Files.write(file, bad);
            Disk.open(config()).close();
            assertThat(Files.readAllBytes(file)).isEqualTo(good);
        }
    }

    @Test
    void aMissingOrShortExtentIsCorrupt() throws IOException {
        try (Disk disk = Disk.format(config())) {
            Filler.fill(disk.openStore(1), 40);
        }
        Path first = directory.resolve("data/00000000.slots");
        byte[] bytes = Files.readAllBytes(first);
        Files.delete(first);
        refused(() -> Disk.open(config()), ErrorCode.CORRUPT, "missing");
        Files.write(first, java.util.Arrays.copyOf(bytes, 1000));
        refused(() -> Disk.open(config()), ErrorCode.CORRUPT, "impossible size");
    }

    /// Where the file system is full an extent grows by some blocks, and then not.
    @Test
    void aLastExtentThatEndsWithinASlotIsNotDamaged() throws IOException {
        try (Disk disk = Disk.format(config().withCapacity(5 << 18))) {
            Store store = disk.openStore(1);
            Filler.fill(store, 18);
            store.checkpoint().join();
        }
        Path last = directory.resolve("data/00000001.slots");
        long bytes = Files.size(last);
        try (FileChannel channel = FileChannel.open(last, StandardOpenOption.WRITE)) {
            channel.write(java.nio.ByteBuffer.allocate(4096), bytes);
        }
        try (Disk disk = Disk.open(config().withCapacity(5 << 18))) {
            assertThat(disk.freeBytes()).isEqualTo(2 * Slots.SLOT_BYTES);
            assertThat(disk.openStore(1).usage().usedBytes()).isEqualTo(18 * Slots.SLOT_BYTES);
        }
        try (Disk disk = Disk.open(config())) {
            Filler.fill(disk.openStore(1), 128);
        }
        assertThat(Files.size(last)).isEqualTo(1 << 20);
    }

    @Test
    void aShortLastExtentIsMadeLongerBeforeTheDiskCountsAsFull() throws IOException {
        try (Disk disk = Disk.format(config().withCapacity(5 << 18))) {
            Store store = disk.openStore(1);
            Filler.fill(store, 18);
            store.checkpoint().join();
            assertThat(disk.freeBytes()).isEqualTo(2 * Slots.SLOT_BYTES);
        }
        // A larger cap, and an end that is lost and that nothing was in.
        try (FileChannel last =
                FileChannel.open(
                        directory.resolve("data/00000001.slots"), StandardOpenOption.WRITE)) {
            last.truncate(3 * Slots.SLOT_BYTES);
        }
        try (Disk disk = Disk.open(config())) {
            assertThat(disk.capacityBytes()).isEqualTo(8 << 20);
            Filler.fill(disk.openStore(1), 128);
            assertThat(disk.freeBytes()).isZero();
        }
    }

    @Test
    void lossOfACheckpointIsFoundByTheMark() throws IOException {
        try (Disk disk = Disk.format(config())) {
            Store store = disk.openStore(1);
            Filler.fill(store, 10);
            store.checkpoint().join();
            Filler.fill(store, 20);
        }
        Path mark = directory.resolve("marks/1");
        byte[] old = Files.readAllBytes(mark);
        try (FileChannel channel =
                FileChannel.open(mark, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            assertThat(channel.size()).isEqualTo(old.length);
        }
        try (Mark later = Mark.open(mark)) {
            later.write(new io.cistern.raft.LogPosition(1, 1_000_000));
        }
        try (Disk disk = Disk.open(config())) {
            refused(() -> disk.openStore(1), ErrorCode.CORRUPT, "was checkpointed at 1000000");
            refused(() -> disk.openStore(1), ErrorCode.CORRUPT, "rebuilt");
            disk.dropStore(1);
            assertThat(disk.freeBytes()).isEqualTo(disk.capacityBytes());
            assertThat(disk.openStore(1).volumes()).isEmpty();
        }
    }

    @Test
    void aClosedStoreIsWhatItsLastCheckpointWas() {
        try (Disk disk = Disk.format(config())) {
            Store store = disk.openStore(1);
            refused(() -> disk.openStore(1), ErrorCode.BUSY, "open already");
            refused(() -> disk.dropStore(1), ErrorCode.BUSY, "close it");
            Filler.fill(store, 10);
            store.checkpoint().join();
            long used = store.usage().usedBytes();
            long index = store.applied().index();
            Filler.fill(store, 30);
            assertThat(store.usage().usedBytes()).isGreaterThan(used);
            store.close();
            Store again = disk.openStore(1);
            assertThat(again.applied().index()).isEqualTo(index);
            assertThat(again.usage().usedBytes()).isEqualTo(used);
            assertThat(disk.freeBytes()).isEqualTo(disk.capacityBytes() - used);
            again.close();
            disk.dropStore(1);
            assertThat(disk.groups()).isEmpty();
            assertThat(disk.freeBytes()).isEqualTo(disk.capacityBytes());
        }
    }

    @Test
    void capIsKeptButForWhatCannotBeRefusedAndFullDiskHalts() {
        StringBuilder halted = new StringBuilder();
        DiskConfig c =
                config().withCapacity(3 << 20).withHalt((message, cause) -> halted.append(message));
        try (Disk disk = Disk.format(c)) {
            Store store = disk.openStore(1);
            assertThat(disk.capacityBytes()).isEqualTo(3 << 20);
            Filler.fill(store, 48);
            assertThat(disk.freeBytes()).isZero();
            Filler.fill(store, 48);
            assertThat(halted).isEmpty();
            // A replica that cannot go back takes a little more, which is not counted as free.
            Filler.fill(store, 48 + 12);
            assertThat(halted).isEmpty();
            assertThat(disk.freeBytes()).isZero();
            assertThat(disk.capacityBytes()).isEqualTo(3 << 20);
            assertThatThrownBy(() -> Filler.fill(store, 48 + 13))
                    .isInstanceOf(IllegalStateException.class);
            assertThat(halted.toString()).contains("disk full");
        }
    }

    @Test
    void anInterruptDoesNotKeepTheDataAreaFromGrowing() throws IOException {
        DiskConfig c = config();
        try (SlotArea area =
                new SlotArea(NativeFile.FACTORY, directory, 1 << 20, 8 << 20, c.halt())) {
            area.open();
            Thread.currentThread().interrupt();
            assertThat(area.grow()).isTrue();
            assertThat(Thread.interrupted()).as("the interrupt is put off").isTrue();
            assertThat(area.allocate()).isZero();
        }
    }
}
