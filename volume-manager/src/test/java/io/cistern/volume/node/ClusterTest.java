package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.ClusterClient.Resumption;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeSpec;
import io.cistern.volume.system.SystemState;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletionException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What a cluster of three does while nothing fails.
@Timeout(120)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ClusterTest {
    private static final long MIB = 1 << 20;

    private TestCluster cluster;
    private ClusterAdmin admin;

    @BeforeAll
    void start(@TempDir Path directory) {
        cluster = new TestCluster(directory, 3);
        admin = cluster.admin();
    }

    @AfterAll
    void stop() {
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    private static ByteBuffer filled(int length, int value) {
        byte[] data = new byte[length];
        Arrays.fill(data, (byte) value);
        return ByteBuffer.wrap(data);
    }

    private VolumeDevice open(String name) {
        return cluster.any().client().open(name, AttachMode.EXCLUSIVE, "test");
    }

    private static void assertCode(Runnable call, ErrorCode code) {
        assertThatThrownBy(call::run)
                .satisfies(e -> assertThat(CisternException.of(e).code()).isEqualTo(code));
    }

    @Test
    void volumesAreCreatedListedChangedAndDeleted() {
        VolumeInfo made = admin.createVolume(VolumeSpec.of("vol1", 64 * MIB));
        assertThat(made.state()).isEqualTo(VolumeInfo.State.READY);
        assertThat(made.replicas()).isEqualTo(3);
        assertCode(() -> admin.createVolume(VolumeSpec.of("vol1", MIB)), ErrorCode.ALREADY_EXISTS);
        assertThat(admin.volumes()).extracting(VolumeInfo::name).contains("vol1");
        try (VolumeDevice device = open("vol1")) {
            device.write(4096, filled(8192, 7)).join();
            assertThat(TestCluster.read(device, 4096, 8192)).containsOnly(7);
            assertThat(admin.volume("vol1").usedBytes()).isPositive();
            assertThat(admin.volume("vol1").attachments()).hasSize(1);
            assertCode(() -> admin.deleteVolume("vol1"), ErrorCode.BUSY);
            admin.resizeVolume("vol1", 128 * MIB);
            device.refresh().join();
            assertThat(device.sizeBytes()).isEqualTo(128 * MIB);
        }
        assertCode(() -> admin.resizeVolume("vol1", MIB), ErrorCode.INVALID);
        admin.renameVolume("vol1", "vol2");
        assertCode(() -> admin.volume("vol1"), ErrorCode.NOT_FOUND);
        assertThat(admin.setLimits("vol2", new Limits(500, 0)).limits().iops()).isEqualTo(500);
        admin.deleteVolume("vol2");
        assertCode(() -> admin.volume("vol2"), ErrorCode.NOT_FOUND);
        VolumeInfo again = admin.createVolume(VolumeSpec.of("vol1", MIB));
        assertThat(again.id()).isGreaterThan(made.id());
        admin.deleteVolume("vol1");
    }

    @Test
    void aStateThatIsKnownIsNotSentAgainAndAChangeIs() {
        for (String name : cluster.names()) {
            Cluster seen = cluster.node(name).cluster();
            SystemState before = seen.fresh();
            await().untilAsserted(() -> {
                SystemState known = seen.fresh();
                assertThat(seen.system().fresh(known, Cluster.CONTROL)).as(name).isSameAs(known);
            });
            long id = admin.createVolume(VolumeSpec.of("new-to-" + name, MIB)).id();
            assertThat(seen.system().fresh(before, Cluster.CONTROL).volumes())
                    .as(name)
                    .containsKey(id);
            admin.deleteVolume("new-to-" + name);
        }
    }

    @Test
    void badRequestsAreRefused() {
        assertCode(() -> VolumeSpec.of("Not A Name", MIB), ErrorCode.INVALID);
        assertCode(() -> admin.createVolume(VolumeSpec.of("odd", 100)), ErrorCode.INVALID);
        assertCode(() -> admin.createVolume(VolumeSpec.of("huge", 1L << 45)), ErrorCode.NO_SPACE);
        assertCode(
                () -> admin.createVolume(new VolumeSpec("five", MIB, 5, Limits.NONE)),
                ErrorCode.INVALID);
        assertCode(() -> admin.deleteVolume("nothing"), ErrorCode.NOT_FOUND);
        assertCode(() -> open("nothing"), ErrorCode.NOT_FOUND);
        assertCode(() -> admin.removeNode("n0"), ErrorCode.BUSY);
        assertCode(() -> admin.drainNode("n0"), ErrorCode.INVALID);
        assertCode(() -> admin.drainNode("n9"), ErrorCode.NOT_FOUND);
    }

    @Test
    void snapshotsClonesRollbackAndDiff() {
        admin.createVolume(VolumeSpec.of("snap", 16 * MIB));
        try (VolumeDevice device = open("snap")) {
            device.write(0, filled(65536, 1)).join();
            admin.createSnapshots(List.of(SnapshotName.parse("snap@one")));
            device.write(8192, filled(4096, 2)).join();
            admin.createSnapshots(List.of(SnapshotName.parse("snap@two")));
            device.write(0, filled(65536, 3)).join();
            assertCode(
                    () -> admin.createSnapshots(List.of(SnapshotName.parse("snap@two"))),
                    ErrorCode.ALREADY_EXISTS);
            assertCode(() -> admin.rollback(SnapshotName.parse("snap@one")), ErrorCode.BUSY);
        }
        assertThat(admin.diff("snap", "one", "two", 0).changedBytes()).isEqualTo(4096);
        assertThat(admin.snapshots("snap")).hasSize(2);
        admin.cloneVolume(SnapshotName.parse("snap@two"), "copy", Limits.NONE);
        assertThat(admin.volume("copy").parent()).isEqualTo("snap@two");
        try (VolumeDevice copy = open("copy");
                VolumeDevice two =
                        cluster.any().client().open("snap@two", AttachMode.READ_ONLY, "test")) {
            assertThat(TestCluster.read(copy, 8192, 4096)).containsOnly(2);
            assertThat(TestCluster.read(two, 0, 4096)).containsOnly(1);
            copy.write(0, filled(4096, 9)).join();
            assertThat(TestCluster.read(two, 0, 4096)).containsOnly(1);
        }
        assertCode(() -> admin.deleteSnapshot(SnapshotName.parse("snap@two")), ErrorCode.BUSY);
        assertCode(() -> admin.deleteVolume("snap"), ErrorCode.BUSY);
        assertThat(admin.volume("snap").state()).isEqualTo(VolumeInfo.State.READY);
        String safety = admin.rollback(SnapshotName.parse("snap@one"));
        assertThat(admin.snapshots("snap")).hasSize(3).anyMatch(s -> s.name().equals(safety));
        try (VolumeDevice device = open("snap")) {
            assertThat(TestCluster.read(device, 0, 65536)).containsOnly(1);
        }
        admin.deleteVolume("copy");
        admin.deleteVolume("snap");
    }

    @Test
    void severalClonesAreMadeAtOnceAndOneThatCannotBeKeepsNoneOfTheOthers() {
        admin.createVolume(VolumeSpec.of("golden", 16 * MIB));
        try (VolumeDevice device = open("golden")) {
            device.write(0, filled(4096, 6)).join();
        }
        SnapshotName v1 = SnapshotName.parse("golden@v1");
        admin.createSnapshots(List.of(v1));
        List<String> names = IntStream.range(0, 20).mapToObj(i -> "fleet-" + i).toList();
        // Asked of a node that does not lead the system group, if there is one, and of one that
        // does.
        int half = names.size() / 2;
        for (String node : List.of("n0", "n1")) {
            List<String> part =
                    node.equals("n0") ? names.subList(0, half) : names.subList(half, names.size());
            List<VolumeInfo> made =
                    cluster.node(node).admin().cloneVolumes(v1, part, new Limits(100, 0));
            assertThat(made).extracting(VolumeInfo::name).containsExactlyElementsOf(part);
            assertThat(made).extracting(VolumeInfo::id).doesNotHaveDuplicates();
            assertThat(made).allMatch(v -> "golden@v1".equals(v.parent()));
        }
        for (String name : names) {
            VolumeInfo volume = admin.volume(name);
            assertThat(volume.state()).isEqualTo(VolumeInfo.State.READY);
            assertThat(volume.limits().iops()).isEqualTo(100);
        }
        try (VolumeDevice clone = open(names.getLast())) {
            assertThat(TestCluster.read(clone, 0, 4096)).containsOnly(6);
        }
        assertThatThrownBy(() ->
                        admin.cloneVolumes(v1, List.of("more-1", "fleet-3", "more-2"), Limits.NONE))
                .hasMessageContaining("'fleet-3' exists already")
                .hasMessageContaining("2 of 3 were done")
                .satisfies(e ->
                        assertThat(CisternException.of(e).code())
                                .isEqualTo(ErrorCode.ALREADY_EXISTS));
        assertThat(admin.volume("more-1").parent()).isEqualTo("golden@v1");
        assertThat(admin.volume("more-2").parent()).isEqualTo("golden@v1");
        assertCode(
                () -> admin.cloneVolumes(v1, List.of("twice", "twice"), Limits.NONE),
                ErrorCode.INVALID);
        assertCode(() -> admin.volume("twice"), ErrorCode.NOT_FOUND);
        assertCode(() -> admin.cloneVolumes(v1, List.of(), Limits.NONE), ErrorCode.INVALID);
        names.forEach(admin::deleteVolume);
        List.of("more-1", "more-2", "golden").forEach(admin::deleteVolume);
    }

    @Test
    void aSecondExclusiveHolderFencesTheFirst() {
        admin.createVolume(VolumeSpec.of("fenced", MIB));
        VolumeDevice first = open("fenced");
        first.write(0, filled(512, 1)).join();
        VolumeDevice second = cluster.node("n2").client().open("fenced", AttachMode.EXCLUSIVE, "b");
        assertThatThrownBy(() -> first.write(0, filled(512, 2)).join())
                .isInstanceOf(CompletionException.class)
                .satisfies(
                        e -> assertThat(CisternException.of(e).code()).isEqualTo(ErrorCode.FENCED));
        second.write(0, filled(512, 3)).join();
        assertThat(TestCluster.read(second, 0, 512)).containsOnly(3);
        assertThat(admin.detach("fenced")).isEqualTo(1);
        assertCode(() -> second.write(0, filled(512, 4)).join(), ErrorCode.FENCED);
        first.close();
        second.close();
        admin.deleteVolume("fenced");
    }

    @Test
    void aHolderContinuesItsAttachmentUnlessItWasTakenOver() {
        admin.createVolume(VolumeSpec.of("resumed", MIB));
        VolumeDevice first = open("resumed");
        first.write(0, filled(512, 1)).join();
        Resumption previous = new Resumption(first.attachment(), UUID.randomUUID());
        VolumeDevice second = cluster.node("n2").client().resume("resumed", previous, "again");
        assertThat(second.mode()).isEqualTo(AttachMode.EXCLUSIVE);
        assertCode(() -> first.write(0, filled(512, 2)).join(), ErrorCode.FENCED);
        second.write(512, filled(512, 3)).join();
        assertThat(TestCluster.read(second, 0, 512)).containsOnly(1);
        Resumption next = new Resumption(second.attachment(), UUID.randomUUID());
        VolumeDevice other = open("resumed");
        assertCode(
                () -> cluster.node("n2").client().resume("resumed", next, "late"),
                ErrorCode.FENCED);
        other.write(0, filled(512, 4)).join();
        first.close();
        second.close();
        other.close();
        admin.deleteVolume("resumed");
    }

    @Test
    void statusSaysThatAllIsWell() {
        // Another test's group may be about to be led, or to go.
        await().atMost(Duration.ofSeconds(30))
                .untilAsserted(() -> {
                    ClusterStatus status = admin.status();
                    assertThat(status.reasons()).isEmpty();
                    assertThat(status.health()).isEqualTo(ClusterStatus.Health.OK);
                });
        ClusterStatus status = admin.status();
        assertThat(status.nodes()).hasSize(3);
        assertThat(status.groups()).hasSizeGreaterThanOrEqualTo(2);
        assertThat(status.capacity().totalBytes()).isPositive();
    }

    @Test
    void volumesWithOneReplicaLiveInAGroupOfOne() {
        VolumeInfo info = admin.createVolume(new VolumeSpec("single", MIB, 1, Limits.NONE));
        assertThat(info.replicas()).isEqualTo(1);
        try (VolumeDevice device = open("single")) {
            device.write(0, filled(4096, 5)).join();
            assertThat(TestCluster.read(device, 0, 4096)).containsOnly(5);
        }
        admin.deleteVolume("single");
    }
}
