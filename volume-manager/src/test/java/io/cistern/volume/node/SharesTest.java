package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.CreateMode;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.SetAttributes;
import io.cistern.block.fs.testing.FileModel;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ShareAdmin;
import io.cistern.volume.ShareInfo;
import io.cistern.volume.ShareRule;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeSpec;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Shares of a cluster of three.
@Timeout(150)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@SuppressWarnings("NullAway.Init")
class SharesTest {
    private static final Call ROOT = Call.of(Credentials.ROOT);

    private TestCluster cluster;

    @BeforeAll
    void start(@TempDir Path directory) {
        cluster = new TestCluster(directory, 3);
    }

    @AfterAll
    void stop() {
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    private ShareAdmin shares() {
        return cluster.admin().shares();
    }

    private FileSystem open(String name) {
        return cluster.any().client().openShare(name, "test");
    }

    private static FileId create(FileSystem fs, String name) {
        return fs.create(
                        ROOT,
                        FileId.ROOT,
                        ByteString.utf8(name),
                        CreateMode.GUARDED,
                        SetAttributes.ofMode(0644))
                .join()
                .file()
                .id();
    }

    private static void refused(CompletableFuture<?> request, FileError error) {
        assertThatThrownBy(request::join)
                .satisfies(e ->
                        assertThat(Objects.requireNonNull(FileException.of(e)).error())
                                .isEqualTo(error));
    }

    @Test
    void sharesAreCreatedListedChangedAndDeleted() {
        List<ShareRule> rules =
                List.of(ShareRule.parse("10.0.0.0/8"), ShareRule.parse("fd00::/8:ro"));
        ShareInfo made = shares().create("docs", 1 << 20, rules);
        assertThat(made.quotaBytes()).isEqualTo(1 << 20);
        assertThat(made.rules()).containsExactly("10.0.0.0/8", "fd00::/8:ro");
        assertThat(made.state()).isEqualTo(VolumeInfo.State.READY);
        assertThatThrownBy(() -> shares().create("docs", 0, List.of()))
                .satisfies(e ->
                        assertThat(CisternException.of(e).code())
                                .isEqualTo(ErrorCode.ALREADY_EXISTS));
        assertThat(shares().list()).extracting(ShareInfo::name).contains("docs");
        assertThat(cluster.admin().volumes()).noneMatch(v -> v.name().contains("docs"));
        FileSystem fs = open("docs");
        FileId file = create(fs, "f");
        fs.write(ROOT, file, 0, ByteBuffer.allocate(900 << 10)).join();
        refused(fs.write(ROOT, file, 1 << 20, ByteBuffer.allocate(200 << 10)), FileError.QUOTA);
        shares().configure("docs", 2L << 20, null);
        fs.write(ROOT, file, 1 << 20, ByteBuffer.allocate(200 << 10)).join();
        assertThat(shares().show("docs").usedBytes()).isEqualTo(1100 << 10);
        assertThat(fs.space().join().totalBytes()).isEqualTo(2 << 20);
        fs.close();
        shares().delete("docs");
        assertThat(shares().list()).noneMatch(s -> s.name().equals("docs"));
    }

    @Test
    void aShareOutlivesItsGroupsLeaderAndItsOwner() {
        shares().create("busy", 0, List.of());
        FileSystem fs = open("busy");
        FileModel model = new FileModel(fs, new Random(7));
        for (int i = 0; i < 100; i++) {
            model.step();
        }
        shares().snapshot(new SnapshotName("busy", "one"));
        model.snapshotted("one");
        String leader = Objects.requireNonNull(cluster.leader(shares().show("busy").group()));
        // The client that is used lives in a node that stays.
        String stays =
                cluster.names().stream().filter(n -> !n.equals(leader)).findFirst().orElseThrow();
        FileSystem next = cluster.node(stays).client().openShare("busy", "the next");
        assertThat(next.owner()).isGreaterThan(fs.owner());
        assertThatThrownBy(() -> create(fs, "late"))
                .satisfies(
                        e -> assertThat(CisternException.of(e).code()).isEqualTo(ErrorCode.FENCED));
        model.use(next);
        cluster.stop(leader);
        for (int i = 0; i < 100; i++) {
            model.step();
        }
        model.compare();
        ShareInfo clone = shares().cloneShare(new SnapshotName("busy", "one"), "copy");
        assertThat(clone.parent()).isEqualTo("busy@one");
        FileSystem copy = cluster.node(stays).client().openShare("copy", "test");
        FileModel copied = model.cloned("one", copy);
        copied.compare();
        for (int i = 0; i < 30; i++) {
            copied.step();
        }
        copied.compare();
        model.compare();
        copy.close();
        next.close();
        cluster.start(leader);
        cluster.node(leader).awaitReady(Duration.ofSeconds(60));
    }

    @Test
    void aVolumeAndAShareAreFrozenInOneInstant() {
        shares().create("pair", 0, List.of());
        String group = shares().show("pair").group();
        VolumeInfo volume = cluster.admin().createVolume(VolumeSpec.of("disk", 1 << 20));
        if (!volume.group().equals(group)) {
            return;
        }
        FileSystem fs = open("pair");
        FileId file = create(fs, "f");
        VolumeDevice device = cluster.any().client().open("disk", AttachMode.EXCLUSIVE, "test");
        fs.write(ROOT, file, 0, ByteBuffer.wrap(new byte[] {1})).join();
        device.write(0, ByteBuffer.wrap(new byte[512])).join();
        shares().snapshotTogether(
                        List.of(new SnapshotName("disk", "t")),
                        List.of(new SnapshotName("pair", "t")));
        // A replica that is asked may not have applied it yet.
        Awaitility.await().until(() -> !fs.snapshots().join().isEmpty());
        assertThat(cluster.admin().snapshots("disk").getFirst().createdMillis() * 1_000_000)
                .isEqualTo(fs.snapshots().join().getFirst().createdNanos());
        device.close();
        fs.close();
    }

    @Test
    void whatDeletedFilesHeldIsFreed() {
        shares().create("waste", 0, List.of());
        FileSystem fs = open("waste");
        FileId file = create(fs, "f");
        for (int i = 0; i < 8; i++) {
            ByteBuffer data = ByteBuffer.allocate(1 << 20);
            data.putLong(0, i + 1);
            fs.write(ROOT, file, (long) i << 20, data).join();
        }
        assertThat(slots("waste")).isGreaterThanOrEqualTo(8 << 20);
        fs.remove(ROOT, FileId.ROOT, ByteString.utf8("f")).join();
        Awaitility.await().atMost(Duration.ofSeconds(60)).until(() -> slots("waste") == 0);
        fs.close();
    }

    /// Bytes of slots that a share holds.
    private long slots(String share) {
        return cluster.admin().volume("share:" + share).usedBytes();
    }
}
