package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice.SharedRecord;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.ExportView.Exported;
import io.cistern.volume.ExportView.PortalNode;
import io.cistern.volume.IscsiExport;
import io.cistern.volume.IscsiExport.Chap;
import io.cistern.volume.IscsiExport.PortalInfo;
import io.cistern.volume.IscsiExport.Spec;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeSpec;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Exports and what portals stand on, in a cluster of three.
@Timeout(120)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ExportTest {
    private static final long MIB = 1 << 20;
    private static final Chap CHAP = new Chap("host1", "secret-of-host1");

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

    private static void assertCode(Runnable call, ErrorCode code) {
        assertThatThrownBy(call::run)
                .satisfies(e -> assertThat(CisternException.of(e).code()).isEqualTo(code));
    }

    private static Spec open(String volume) {
        return new Spec(volume, List.of(), null, null, 512);
    }

    /// Attaches as a portal does.
    private VolumeDevice portal(String node, String volume) {
        return cluster.node(node).client().open(volume, AttachMode.SHARED, "iscsi/" + node);
    }

    @Test
    void anExportIsShownEverywhereAndHoldsItsVolume() throws Exception {
        admin.createVolume(VolumeSpec.of("san1", 64 * MIB));
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        var view = cluster.node("n1").exports();
        AutoCloseable watch =
                view.onChange(() -> view.exports().forEach(e -> seen.add(e.volume())));
        IscsiExport made =
                admin.exportVolume(
                        new Spec(
                                "san1",
                                List.of("IQN.1993-08.org.debian:01:abc"),
                                CHAP,
                                new Chap("target", "secret-of-target"),
                                4096));
        assertThat(made.target()).isEqualTo("iqn.2026-11.io.cistern:san1");
        assertThat(made.initiators()).containsExactly("iqn.1993-08.org.debian:01:abc");
        assertThat(made.portals())
                .extracting(PortalInfo::number, PortalInfo::node, PortalInfo::address)
                .containsExactly(
                        org.assertj.core.groups.Tuple.tuple(1, "n0", "127.0.0.1:3260"),
                        org.assertj.core.groups.Tuple.tuple(2, "n1", "127.0.0.1:3261"),
                        org.assertj.core.groups.Tuple.tuple(3, "n2", "127.0.0.1:3262"));
        assertThat(made.toString() + admin.exports()).doesNotContain("secret-of");
        assertThat(seen.poll(20, TimeUnit.SECONDS)).isEqualTo("san1");
        Exported exported = view.exports().getFirst();
        assertThat(exported.chap()).isEqualTo(CHAP);
        assertThat(exported.blockBytes()).isEqualTo(4096);
        assertThat(view.nodes()).extracting(PortalNode::number).containsExactly(1, 2, 3);
        assertThat(view.nodes()).allMatch(PortalNode::up);
        watch.close();
        assertCode(() -> admin.exportVolume(open("san1")), ErrorCode.ALREADY_EXISTS);
        assertCode(() -> admin.deleteVolume("san1"), ErrorCode.BUSY);
        assertCode(
                () -> cluster.any().client().open("san1", AttachMode.EXCLUSIVE, "vm"),
                ErrorCode.BUSY);
        admin.renameVolume("san1", "san2");
        assertThat(admin.exports()).extracting(IscsiExport::volume).contains("san2");
        try (VolumeDevice device = portal("n2", "san2")) {
            assertThat(device.leader()).isNotNull();
            admin.unexportVolume("san2");
            assertThat(admin.volume("san2").attachments())
                    .as("ended for a portal that does not answer")
                    .isEmpty();
        }
        admin.deleteVolume("san2");
    }

    @Test
    void whatIsAttachedExclusivelyIsNotExported() {
        admin.createVolume(VolumeSpec.of("vm1", 64 * MIB));
        try (VolumeDevice vm = cluster.any().client().open("vm1", AttachMode.EXCLUSIVE, "qemu/7")) {
            assertThatThrownBy(() -> admin.exportVolume(open("vm1")))
                    .hasMessageContaining("qemu/7");
            assertThat(vm.ended()).isNotDone();
        }
    }

    @Test
    void namesAndSecretsThatIscsiDoesNotAllowAreRefused() {
        admin.createVolume(VolumeSpec.of("odd1", MIB + 512));
        admin.createVolume(VolumeSpec.of("under_score", MIB));
        List<Spec> wrong =
                List.of(
                        open("under_score"),
                        new Spec("odd1", List.of(), null, null, 4096),
                        new Spec("odd1", List.of(), null, null, 1024),
                        new Spec("odd1", List.of("nobody"), null, null, 512),
                        new Spec("odd1", List.of(), new Chap("u", "eleven-char"), null, 512),
                        new Spec("odd1", List.of(), new Chap("", "twelve-chars"), null, 512),
                        new Spec("odd1", List.of(), null, CHAP, 512),
                        new Spec("odd1", List.of(), CHAP, CHAP, 512));
        for (Spec spec : wrong) {
            assertCode(() -> admin.exportVolume(spec), ErrorCode.INVALID);
        }
        assertCode(() -> admin.exportVolume(open("nowhere")), ErrorCode.NOT_FOUND);
    }

    /// A record replaced through one node binds requests through another, wherever the leader goes,
    /// and both learn where it is.
    @Test
    void aRecordBindsRequestsThroughEveryNode() throws Exception {
        admin.createVolume(VolumeSpec.of("san3", 64 * MIB));
        try (VolumeDevice one = portal("n0", "san3");
                VolumeDevice two = portal("n1", "san3")) {
            BlockingQueue<SharedRecord> heard = new LinkedBlockingQueue<>();
            two.onRecord(heard::add);
            two.write(0, ByteBuffer.allocate(4096), 0).join();
            ByteBuffer reservation = ByteBuffer.wrap(new byte[] {1, 2, 3});
            SharedRecord replaced = one.replaceRecord(0, reservation).join();
            assertCode(() -> two.write(0, ByteBuffer.allocate(4096), 0).join(), ErrorCode.CHANGED);
            assertThat(heard.poll(20, TimeUnit.SECONDS)).isEqualTo(replaced);
            two.write(0, ByteBuffer.allocate(4096), 1).join();
            for (String node : cluster.names()) {
                admin.preferLeader("san3", node);
                await().atMost(Duration.ofSeconds(40))
                        .until(() -> node.equals(one.leader()) && node.equals(two.leader()));
                assertThat(one.record().join()).isEqualTo(replaced);
                assertThat(two.compareAndWrite(512, bytes(0), bytes(1), 1).join())
                        .isEqualTo(node.equals("n0") ? -1L : 0L);
            }
        }
    }

    private static ByteBuffer bytes(int value) {
        byte[] data = new byte[512];
        java.util.Arrays.fill(data, (byte) value);
        return ByteBuffer.wrap(data);
    }
}
