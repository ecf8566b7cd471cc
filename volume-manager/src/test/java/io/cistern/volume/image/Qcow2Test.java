package io.cistern.volume.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Reading and writing qcow2 against qemu-img.
@Timeout(60)
class Qcow2Test {
    private static final long SIZE = (5 << 20) + 512;

    @TempDir Path directory;

    private Path raw() throws IOException {
        Path raw = directory.resolve("disk.raw");
        QemuImg.sparse(raw, SIZE, 42);
        return raw;
    }

    private Path converted(String... options) throws Exception {
        Path image = directory.resolve("disk.qcow2");
        String[] all = new String[options.length + 4];
        all[0] = "convert";
        System.arraycopy(options, 0, all, 1, options.length);
        all[options.length + 1] = "-Oqcow2";
        all[options.length + 2] = raw().toString();
        all[options.length + 3] = image.toString();
        QemuImg.run(all);
        return image;
    }

    /// All of the disk, by its stretches of data.
    private static byte[] contents(ImageSource source) {
        byte[] disk = new byte[(int) source.sizeBytes()];
        for (ImageSource.Data data = source.next(0); data != null; ) {
            source.read(
                    data.offset(), ByteBuffer.wrap(disk, (int) data.offset(), (int) data.length()));
            data = source.next(data.offset() + data.length());
        }
        return disk;
    }

    private void assertReads(Path image) throws IOException {
        try (ImageSource source = new Qcow2Source(ImageFile.open(image))) {
            byte[] expected = Files.readAllBytes(directory.resolve("disk.raw"));
            assertThat(Arrays.equals(contents(source), expected)).isTrue();
            byte[] some = new byte[100_000];
            source.read(12345, ByteBuffer.wrap(some));
            assertThat(some).isEqualTo(Arrays.copyOfRange(expected, 12345, 112_345));
            assertThat(source.info().dataBytes()).isLessThanOrEqualTo(SIZE);
        }
    }

    @Test
    void readsPlainCompressedOldAndOddlySizedClusters() throws Exception {
        for (String[] options :
                new String[][] {
                    {},
                    {"-c"},
                    {"-o", "compat=0.10"},
                    {"-c", "-o", "cluster_size=4k"},
                    {"-c", "-o", "compression_type=zstd"},
                    {"-c", "-o", "compression_type=zstd,cluster_size=4k"},
                    {"-o", "cluster_size=2M"}
                }) {
            Path image = converted(options);
            assertReads(image);
            Files.delete(image);
            Files.delete(directory.resolve("disk.raw"));
        }
    }

    @Test
    void findsTheHolesOfRawFiles() throws Exception {
        try (ImageSource source = new RawSource(ImageFile.open(raw()))) {
            byte[] expected = Files.readAllBytes(directory.resolve("disk.raw"));
            assertThat(Arrays.equals(contents(source), expected)).isTrue();
            assertThat(source.info().dataBytes()).isLessThan(SIZE);
        }
    }

    @Test
    void writesWhatQemuFindsSound() throws Exception {
        byte[] disk = Files.readAllBytes(raw());
        Path image = directory.resolve("written.qcow2");
        try (Qcow2Sink sink = new Qcow2Sink(ImageFile.create(image), SIZE)) {
            for (int at = 0; at < SIZE; at += ImageSink.UNIT_BYTES) {
                int length = (int) Math.min(ImageSink.UNIT_BYTES, SIZE - at);
                if (new Random(at).nextBoolean() || !isZero(disk, at, length)) {
                    sink.write(at, ByteBuffer.wrap(disk, at, length));
                }
            }
            sink.finish();
        }
        QemuImg.run("check", image.toString());
        QemuImg.run("compare", image.toString(), directory.resolve("disk.raw").toString());
    }

    private static boolean isZero(byte[] disk, int at, int length) {
        return Pipeline.isZero(ByteBuffer.wrap(disk), at, length);
    }

    @Test
    void writesLargeSparseImages() throws Exception {
        Path image = directory.resolve("large.qcow2");
        try (Qcow2Sink sink = new Qcow2Sink(ImageFile.create(image), 1L << 42)) {
            ByteBuffer unit = ByteBuffer.allocate(ImageSink.UNIT_BYTES);
            for (long at = 0; at < 1L << 42; at += 1L << 35) {
                sink.write(at, unit.duplicate().putLong(0, at + 1));
            }
            sink.finish();
        }
        QemuImg.run("check", image.toString());
        try (ImageSource source = new Qcow2Source(ImageFile.open(image))) {
            ByteBuffer eight = ByteBuffer.allocate(8);
            source.read(3L << 35, eight);
            assertThat(eight.getLong(0)).isEqualTo((3L << 35) + 1);
        }
    }

    private static void assertRefused(Path image, ErrorCode code, String words) {
        assertThatThrownBy(
                        () -> {
                            try (ImageSource source = new Qcow2Source(ImageFile.open(image))) {
                                contents(source);
                            }
                        })
                .isInstanceOf(CisternException.class)
                .hasMessageContaining(words)
                .satisfies(e -> assertThat(CisternException.of(e).code()).isEqualTo(code));
    }

    @Test
    void refusesBackingFilesEncryptionAndExternalData() throws Exception {
        Path base = converted();
        Path overlay = directory.resolve("overlay.qcow2");
        QemuImg.run("create", "-fqcow2", "-Fqcow2", "-b", base.toString(), overlay.toString());
        assertRefused(overlay, ErrorCode.INVALID, "backing file");
        Path external = directory.resolve("external.qcow2");
        QemuImg.run(
                "create",
                "-fqcow2",
                "-o",
                "data_file=" + directory.resolve("data.bin") + ",data_file_raw=on",
                external.toString(),
                "1M");
        assertRefused(external, ErrorCode.INVALID, "external data file");
        patch(base, 32, 1);
        assertRefused(base, ErrorCode.INVALID, "encryption");
    }

    private static void patch(Path file, long offset, int value) throws IOException {
        try (FileChannel out = FileChannel.open(file, StandardOpenOption.WRITE)) {
            out.write(ByteBuffer.allocate(4).putInt(0, value), offset);
        }
    }

    @Test
    void saysWhereAnImageIsTruncated() throws Exception {
        Path image = converted("-c");
        long length = Files.size(image);
        for (int part = 1; part <= 9; part++) {
            try (FileChannel out = FileChannel.open(image, StandardOpenOption.WRITE)) {
                out.truncate(length * (10 - part) / 10);
            }
            assertRefused(image, ErrorCode.CORRUPT, "");
        }
    }

    @Test
    void damageOfCompressedClustersIsFoundOrHarmless() throws Exception {
        Path image = converted("-c", "-o", "compression_type=zstd");
        byte[] sound = Files.readAllBytes(image);
        long seed = System.nanoTime();
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        Path damaged = directory.resolve("damaged.qcow2");
        for (int i = 0; i < 100; i++) {
            byte[] copy = sound.clone();
            int at = 4 * 65536 + random.nextInt(copy.length - 4 * 65536);
            copy[at] = (byte) random.nextInt();
            Files.write(damaged, copy);
            try (ImageSource source = new Qcow2Source(ImageFile.open(damaged))) {
                assertThat(contents(source)).hasSize((int) SIZE);
            } catch (CisternException expected) {
                assertThat(expected.code()).isEqualTo(ErrorCode.CORRUPT);
            }
        }
    }

    /// Any byte may be wrong: the image is read, or refused with one of our errors.
    @Test
    void survivesDamageAnywhereInItsTables() throws Exception {
        Path image = converted();
        byte[] sound = Files.readAllBytes(image);
        long seed = System.nanoTime();
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        Path damaged = directory.resolve("damaged.qcow2");
        for (int i = 0; i < 150; i++) {
            byte[] copy = sound.clone();
            int at = random.nextInt(i % 2 == 0 ? 112 : 4 * 65536);
            copy[at] = (byte) random.nextInt();
            Files.write(damaged, copy);
            try (ImageSource source = new Qcow2Source(ImageFile.open(damaged))) {
                if (source.sizeBytes() < 64 << 20) {
                    contents(source);
                }
            } catch (CisternException expected) {
                assertThat(expected.code()).isIn(ErrorCode.CORRUPT, ErrorCode.INVALID);
            }
        }
    }
}
