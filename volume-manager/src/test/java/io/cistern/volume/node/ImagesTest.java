package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.ClientConfig;
import io.cistern.volume.Images;
import io.cistern.volume.Images.Format;
import io.cistern.volume.Images.ImportRequest;
import io.cistern.volume.Progress;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.image.QemuImg;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Images in and out of a cluster, judged by qemu-img; from a program outside of the nodes too.
@Timeout(120)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ImagesTest {
    private static final long SIZE = (24 << 20) + 1024;

    private TestCluster cluster;
    private Images images;
    private Path directory;

    @BeforeAll
    void start(@TempDir Path nodes, @TempDir Path files) {
        cluster = new TestCluster(nodes, 3);
        images = cluster.any().images();
        directory = files;
    }

    @AfterAll
    void stop() {
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    @Test
    void imagesSurviveTheWayInAndOut() throws Exception {
        Path raw = directory.resolve("disk.raw");
        QemuImg.sparse(raw, SIZE, 7);
        Path qcow2 = directory.resolve("disk.qcow2");
        QemuImg.run("convert", "-c", "-Oqcow2", raw.toString(), qcow2.toString());
        AtomicLong last = new AtomicLong();
        Progress progress = (done, total, eta) -> last.set(done);
        VolumeInfo fromRaw = images.importImage(ImportRequest.of("from-raw", raw), null, progress);
        assertThat(fromRaw.sizeBytes()).isEqualTo(SIZE);
        assertThat(last.get()).isEqualTo(SIZE);
        images.importImage(ImportRequest.of("from-qcow2", qcow2), null, Progress.NONE);
        assertThat(cluster.admin().volume("from-raw").usedBytes()).isLessThan(SIZE);
        for (String volume : List.of("from-raw", "from-qcow2")) {
            Path rawOut = directory.resolve(volume + ".out.raw");
            Path qcow2Out = directory.resolve(volume + ".out.qcow2");
            images.exportImage(volume, rawOut, Format.RAW, Progress.NONE);
            images.exportImage(volume, qcow2Out, Format.QCOW2, Progress.NONE);
            QemuImg.run("compare", raw.toString(), rawOut.toString());
            QemuImg.run("check", qcow2Out.toString());
            QemuImg.run("compare", raw.toString(), qcow2Out.toString());
            assertThat(Files.size(qcow2Out)).isLessThan(SIZE);
        }
        exportsOneInstant(raw);
        assertThatThrownBy(() -> images.exportImage("from-raw", raw, Format.RAW, Progress.NONE))
                .hasMessageContaining("exists");
    }

    private void exportsOneInstant(Path raw) throws Exception {
        cluster.admin().createSnapshots(List.of(SnapshotName.parse("from-raw@then")));
        try (RemoteCluster remote =
                        RemoteCluster.connect(
                                ClientConfig.of(
                                        List.of(cluster.node("n1").self().wire()),
                                        cluster.clusterId()),
                                "outside");
                VolumeDevice device = remote.open("from-raw", AttachMode.EXCLUSIVE, "outside")) {
            device.write(0, ByteBuffer.allocate(1 << 20).putLong(0, 99)).join();
            assertThat(ByteBuffer.wrap(TestCluster.read(device, 0, 8)).getLong()).isEqualTo(99);
            assertThat(remote.admin().volumes()).extracting(VolumeInfo::name).contains("from-raw");
        }
        Path out = directory.resolve("then.raw");
        images.exportImage("from-raw@then", out, Format.RAW, Progress.NONE);
        QemuImg.run("compare", raw.toString(), out.toString());
    }

    @Test
    void aBrokenImageLeavesNoVolume() throws Exception {
        Path raw = directory.resolve("broken.raw");
        QemuImg.sparse(raw, SIZE, 8);
        Path image = directory.resolve("broken.qcow2");
        QemuImg.run("convert", "-Oqcow2", raw.toString(), image.toString());
        try (FileChannel out = FileChannel.open(image, StandardOpenOption.WRITE)) {
            out.truncate(Files.size(image) - (2 << 20));
        }
        int before = cluster.admin().volumes().size();
        for (String format : List.of("vmdk", "vdi", "vhdx", "vpc")) {
            Path foreign = directory.resolve("disk." + format);
            QemuImg.run("convert", "-O" + format, raw.toString(), foreign.toString());
            assertThatThrownBy(() ->
                            images.importImage(
                                    ImportRequest.of("foreign", foreign), null, Progress.NONE))
                    .hasMessageContaining("qemu-img convert -O qcow2 " + foreign);
        }
        assertThatThrownBy(() ->
                        images.importImage(ImportRequest.of("broken", image), null, Progress.NONE))
                .hasMessageContaining("truncated")
                .satisfies(e ->
                        assertThat(CisternException.of(e).code()).isEqualTo(ErrorCode.CORRUPT));
        assertThat(cluster.admin().volumes()).hasSize(before);
        assertThatThrownBy(() ->
                        images.importImage(
                                new ImportRequest("small", raw, 512, 0, Limits.NONE),
                                null,
                                Progress.NONE))
                .hasMessageContaining("more than");
        assertThatThrownBy(() ->
                        images.importImage(
                                ImportRequest.of("none", directory.resolve("nothing")),
                                null,
                                Progress.NONE))
                .hasMessageContaining("no file");
    }
}
