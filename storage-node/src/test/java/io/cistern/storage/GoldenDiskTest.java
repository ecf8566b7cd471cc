package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.BlockDevice.Extent.Kind;
import io.cistern.storage.Command.CreateSnapshots.Target;
import io.cistern.storage.Command.Limits;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A disk as version 1 left it: superblock, extents, map and mark. It must open, and show what was
/// put in, whatever the program has become.
class GoldenDiskTest {
    private static final String NAME = "disk-v1.zip";
    private static final String TABLE = "table-copy-v1.bin";

    @TempDir Path temp;

    private DiskConfig config(String name) {
        return DiskConfig.of(temp.resolve(name), new UUID(1, 2), "n1")
                .withExtent(1 << 20)
                .withCapacity(1 << 20)
                .withBackground(false)
                .withHalt((message, cause) -> {
                    throw new AssertionError(message, cause);
                });
    }

    /// A little of everything: snapshot, clone, zeroes, a refused write in a window.
    private static void script(Store store) {
        Filler.fill(store, 3);
        Filler.apply(store, new Command.CreateSnapshots(List.of(new Target(1, "s")), 77));
        long attachment = Filler.attach(store, 1).value();
        Filler.write(store, attachment, 1, 50);
        Filler.write(store, attachment, 1L << 40, 51);
        long seq = store.applied().index() + 1;
        Filler.apply(
                store,
                new Command.Zero(1, new Origin(attachment, seq, 1), 16 * 4096, 16 * 4096, true));
        Filler.apply(store, new Command.CloneVolume(2, 1, "s", new Limits(5, 6), 78));
        store.checkpoint().join();
    }

    private static void check(Store store) {
        assertThat(store.volumes()).hasSize(2);
        View head = store.headView(1);
        View snapshot = store.snapshotView(1, "s");
        assertThat(stamp(store, head, 0)).isEqualTo(1);
        assertThat(stamp(store, head, 1)).isEqualTo(50);
        assertThat(stamp(store, head, 16)).isZero();
        assertThat(stamp(store, head, 32)).isEqualTo(3);
        assertThat(stamp(store, snapshot, 1)).isZero();
        assertThat(stamp(store, snapshot, 16)).isEqualTo(2);
        assertThat(stamp(store, store.headView(2), 16)).isEqualTo(2);
        assertThat(store.extents(head, 16 * 4096, 4096, 1).getFirst().kind()).isEqualTo(Kind.HOLE);
        VolumeState clone = store.volume(2);
        assertThat(clone).isNotNull();
        assertThat(clone.limits()).isEqualTo(new Limits(5, 6));
        assertThat(clone.parent()).isEqualTo(new VolumeState.Parent(1, "s"));
        assertThat(store.usage().usedBytes()).isEqualTo(4 * Slots.SLOT_BYTES);
    }

    private static int stamp(Store store, View view, long block) {
        ByteBuffer dst = ByteBuffer.allocate(4096);
        store.read(view, block * 4096, dst);
        return dst.getInt(0);
    }

    private byte[] write() throws IOException {
        DiskConfig config = config("fresh");
        try (Disk disk = Disk.format(config)) {
            script(disk.openStore(1));
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes);
                Stream<Path> tree = Files.walk(config.directory())) {
            for (Path path : tree.sorted().toList()) {
                String name = config.directory().relativize(path).toString();
                if (Files.isRegularFile(path) && !name.matches("map/(LO|OPTIONS).*")) {
                    ZipEntry entry = new ZipEntry(name);
                    entry.setTime(0);
                    zip.putNextEntry(entry);
                    zip.write(Files.readAllBytes(path));
                }
            }
        }
        return bytes.toByteArray();
    }

    @Test
    void opensTheGoldenDisk() throws IOException {
        byte[] golden = Golden.file(NAME, write());
        DiskConfig config = config("golden");
        try (ZipInputStream zip = new ZipInputStream(new ByteArrayInputStream(golden))) {
            for (ZipEntry e = zip.getNextEntry(); e != null; e = zip.getNextEntry()) {
                Path path = config.directory().resolve(e.getName());
                Files.createDirectories(path.resolveSibling("."));
                Files.write(path, zip.readAllBytes());
            }
        }
        try (Disk disk = Disk.open(config)) {
            Store store = disk.openStore(1);
            check(store);
            try (StoreExport export = store.export()) {
                ByteBuffer table = export.table();
                byte[] now = new byte[table.remaining()];
                table.get(now);
                assertThat(now).isEqualTo(Golden.file(TABLE, now));
            }
        }
    }

    @Test
    void whatIsWrittenNowIsReadNow() {
        try (Disk disk = Disk.format(config("now"))) {
            Store store = disk.openStore(1);
            script(store);
            check(store);
        }
    }
}
