package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.VolumeGroup;
import io.cistern.volume.ClusterStatus.WorkInfo;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeSpec;
import io.cistern.volume.client.Waits;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What is removed by itself because nobody can want it any more, and what is not.
@Timeout(120)
class LeftoversTest {
    private static final long MIB = 1 << 20;
    private static final String IMPORT = "import-0a1b2c3d-4e5f";

    private TestCluster cluster;

    @BeforeEach
    void start(@TempDir Path directory) {
        cluster = new TestCluster(directory, 3);
    }

    @AfterEach
    void stop() {
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    private <T> T ask(Function<VolumeGroup, CompletableFuture<T>> call) {
        return Waits.get(
                cluster.any().cluster().client().control(1, call, null), Duration.ofSeconds(20));
    }

    private void create(long id) {
        ask(g -> g.execute(new Command.CreateVolume(id, MIB, Limits.NONE, 1)));
    }

    private boolean exists(long id) {
        try {
            VolumeState state = ask(g -> g.describe(id));
            return state.volume() == id;
        } catch (CisternException gone) {
            return false;
        }
    }

    private void lookForOrphans() {
        for (String name : cluster.names()) {
            NodeHost node = cluster.node(name);
            new Orphans(node.groups(), node.cluster()).look(0);
        }
    }

    private long deleted(String name) {
        long id = cluster.admin().createVolume(VolumeSpec.of(name, MIB)).id();
        cluster.admin().deleteVolume(name);
        assertThat(exists(id)).isFalse();
        return id;
    }

    @Test
    void aCreationThatComesAfterTheDeletionIsTakenBack() {
        long kept = cluster.admin().createVolume(VolumeSpec.of("kept", MIB)).id();
        long unused = deleted("unused");
        long used = deleted("used");
        create(unused);
        create(used);
        long future = cluster.any().cluster().fresh().nextVolume() + 5;
        create(future);
        ask(g -> g.execute(new Command.Attach(used, AttachMode.SHARED, 1, 2, "somebody", 3)));
        lookForOrphans();
        assertThat(exists(unused)).as("nobody has used it").isFalse();
        assertThat(exists(used)).as("somebody uses it").isTrue();
        assertThat(exists(future)).as("it may be listed yet").isTrue();
        assertThat(exists(kept)).as("it is listed").isTrue();
    }

    @Test
    void nothingIsTakenBackBeforeItsTime() {
        long id = deleted("again");
        create(id);
        for (String name : cluster.names()) {
            NodeHost node = cluster.node(name);
            Orphans orphans = new Orphans(node.groups(), node.cluster());
            orphans.look(Orphans.PATIENCE_NANOS);
            orphans.look(Orphans.PATIENCE_NANOS);
        }
        assertThat(exists(id)).isTrue();
    }

    private void lookForImports() {
        Cluster any = cluster.any().cluster();
        new Leftovers(any).step(any.fresh(), any.reports(), 0);
    }

    private boolean listed(String name) {
        return cluster.admin().volumes().stream().map(VolumeInfo::name).anyMatch(name::equals);
    }

    @Test
    void anImportThatDiedLeavesNothing() {
        cluster.admin().createVolume(VolumeSpec.of(IMPORT, MIB));
        cluster.admin().createVolume(VolumeSpec.of("import-of-mine", MIB));
        VolumeDevice device =
                cluster.any().client().open(IMPORT, AttachMode.EXCLUSIVE, "import of disk.raw");
        device.write(0, java.nio.ByteBuffer.allocate(4096)).join();
        lookForImports();
        assertThat(listed(IMPORT)).isFalse();
        assertThat(listed("import-of-mine")).as("no import chooses such a name").isTrue();
        assertThatThrownBy(() -> device.write(0, java.nio.ByteBuffer.allocate(4096)).join())
                .as("whoever still writes hears of it")
                .hasRootCauseInstanceOf(CisternException.class);
        device.close();
    }

    @Test
    void anImportThatLivesOrAVolumeInUseStays() {
        cluster.admin().createVolume(VolumeSpec.of(IMPORT, MIB));
        Cluster any = cluster.any().cluster();
        String what = "volume golden (until then " + IMPORT + ")";
        WorkInfo work = new WorkInfo("id", "import", what, "cli", 0, MIB, "bytes", 1, -1);
        any.order(cluster.names().getLast(), new NodeOrder.Working(work, false));
        lookForImports();
        assertThat(listed(IMPORT)).as("the import says that it lives").isTrue();
        assertThat(cluster.admin().status().work()).contains(work);
        any.order(cluster.names().getLast(), new NodeOrder.Working(work, true));
        assertThat(cluster.admin().status().work()).isEmpty();
        try (VolumeDevice device =
                cluster.any().client().open(IMPORT, AttachMode.EXCLUSIVE, "a guest")) {
            new Leftovers(any)
                    .step(any.fresh(), java.util.Map.of(), 0); // no node answers: nothing is known
            java.util.Map<String, NodeReport> silent = new java.util.HashMap<>();
            any.reports()
                    .forEach((name, r) ->
                            silent.put(
                                    name,
                                    new NodeReport(
                                            name,
                                            r.pid(),
                                            r.systemVersion(),
                                            r.disks(),
                                            r.replicas(),
                                            java.util.List.of(),
                                            r.level())));
            new Leftovers(any).step(any.fresh(), silent, 0);
            assertThat(listed(IMPORT)).as("it is no import that has attached it").isTrue();
            device.flush().join();
        }
    }
}
