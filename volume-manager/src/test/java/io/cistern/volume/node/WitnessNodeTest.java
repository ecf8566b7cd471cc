package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.ClusterStatus.GroupInfo;
import io.cistern.volume.ClusterStatus.Health;
import io.cistern.volume.ClusterStatus.NodeInfo;
import io.cistern.volume.ClusterStatus.ReplicaInfo;
import io.cistern.volume.ClusterStatus.ReplicaState;
import io.cistern.volume.NodeConfig;
import io.cistern.volume.NodeConfig.DiskSpec;
import io.cistern.volume.NodeConfig.Formation;
import io.cistern.volume.NodeConfig.InitialNode;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeSpec;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Two nodes with data, n0 and n1, and a witness, n2.
@Timeout(150)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class WitnessNodeTest {
    private static final String WITNESS = "n2";
    private static final int BLOCK = 4096;

    private final InitialNode witness = TestCluster.place(WITNESS);
    private TestCluster cluster;

    @BeforeAll
    void start(@TempDir Path directory) {
        cluster = new TestCluster(directory, 2);
        cluster.start(witness, new Formation.Join(cluster.admin().createJoinToken()), true);
        awaitHealthy();
    }

    @AfterAll
    void stop() {
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    /// With a group of two replicas and a witness.
    private GroupInfo awaitHealthy() {
        Awaitility.await()
                .atMost(Duration.ofSeconds(60))
                .ignoreExceptions()
                .untilAsserted(() -> {
                    ClusterStatus status = cluster.admin().status();
                    assertThat(status.health())
                            .as(status.reasons().toString())
                            .isEqualTo(Health.OK);
                    assertThat(group(status).replicas())
                            .extracting(ReplicaInfo::state)
                            .containsExactlyInAnyOrder(
                                    ReplicaState.LEADER,
                                    ReplicaState.FOLLOWER,
                                    ReplicaState.WITNESS);
                });
        return group(cluster.admin().status());
    }

    private static GroupInfo group(ClusterStatus status) {
        return status.groups().stream()
                .filter(g -> g.replicas().stream().anyMatch(r -> r.peer().contains(".w")))
                .findFirst()
                .orElseThrow();
    }

    private static ByteBuffer block(String text) {
        ByteBuffer block = ByteBuffer.allocate(BLOCK);
        return block.put(text.getBytes(StandardCharsets.US_ASCII)).rewind();
    }

    private static boolean holds(Path directory, String text) throws IOException {
        try (var files = Files.walk(directory)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String all = new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
                if (all.contains(text)) {
                    return true;
                }
            }
        }
        return false;
    }

    private static void refused(Runnable call, String why) {
        assertThatThrownBy(call::run)
                .satisfies(
                        e -> assertThat(CisternException.of(e).code()).isEqualTo(ErrorCode.INVALID))
                .hasMessageContaining(why);
    }

    private VolumeDevice open(String node) {
        return cluster.node(node).client().open("v", AttachMode.EXCLUSIVE, "test");
    }

    @Test
    void twoNodesKeepAVolumeAndEitherMayBeLostForAWhile() throws Exception {
        VolumeInfo made = cluster.admin().createVolume(VolumeSpec.of("v", 16 << 20));
        assertThat(made.replicas()).isEqualTo(2);
        try (VolumeDevice device = open(WITNESS)) {
            device.write(0, block("kept on two disks")).join();
            // Its data are nowhere but there.
            assertThat(holds(cluster.home("n0"), "kept on two")).isTrue();
            assertThat(holds(cluster.home("n1"), "kept on two")).isTrue();
            assertThat(holds(cluster.home(WITNESS), "kept on two")).isFalse();
            assertThat(cluster.admin().verify(null, (d, t, e) -> {}).mismatches()).isEmpty();
            cluster.admin().scrub("v");
            ClusterStatus status = cluster.admin().status();
            assertThat(status.capacity().totalBytes()).isEqualTo(2 * TestCluster.DISK_BYTES);
            for (int turn = 1; turn <= 2; turn++) {
                String lost =
                        java.util.Objects.requireNonNull(group(cluster.admin().status()).leader());
                assertThat(lost).isIn("n0", "n1");
                cluster.stop(lost);
                device.write(BLOCK * turn, block("turn " + turn)).join();
                Awaitility.await()
                        .atMost(Duration.ofSeconds(30))
                        .untilAsserted(() ->
                                assertThat(cluster.admin().status().reasons())
                                        .anyMatch(r -> r.contains("alone until " + lost)));
                cluster.start(lost);
                awaitHealthy();
            }
            // The witness is not missed either.
            cluster.stop(WITNESS);
        }
        try (VolumeDevice device = open("n0")) {
            device.write(BLOCK * 3, block("turn 3")).join();
            assertThat(TestCluster.read(device, 0, BLOCK))
                    .startsWith("kept on two disks".getBytes(StandardCharsets.US_ASCII));
            for (int turn = 1; turn <= 3; turn++) {
                assertThat(TestCluster.read(device, BLOCK * turn, BLOCK))
                        .startsWith(("turn " + turn).getBytes(StandardCharsets.US_ASCII));
            }
        }
        cluster.start(witness, new Formation.Join("unused"), true);
        awaitHealthy();
        assertThat(cluster.admin().verify(null, (d, t, e) -> {}).mismatches()).isEmpty();
    }

    @Test
    void aWitnessIsNeverTakenForANodeWithData() throws Exception {
        GroupInfo before = awaitHealthy();
        NodeInfo node =
                cluster.admin().nodes().stream()
                        .filter(n -> n.name().equals(WITNESS))
                        .findFirst()
                        .orElseThrow();
        assertThat(node.disks()).isEmpty();
        refused(() -> cluster.admin().drainNode(WITNESS), "only witness");
        refused(() -> cluster.admin().drainNode("n1"), "add a node first");
        refused(
                () -> cluster.admin().createVolume(new VolumeSpec("t", 1 << 20, 3, Limits.NONE)),
                "there are 2");
        refused(
                () -> cluster.admin().addDisk(WITNESS, cluster.home("d").toString(), 0),
                "takes no disk");
        refused(() -> Rescue.look(config(true, null)), "is a witness");
        // A role is for life.
        cluster.stop(WITNESS);
        refused(
                () -> cluster.start(witness, new Formation.Join("unused"), false),
                "belongs to a witness");
        refused(
                () ->
                        NodeHost.start(
                                config(
                                        true,
                                        new Formation.Bootstrap(
                                                cluster.clusterId(), List.of(witness)))),
                "does not form a cluster");
        // A damaged one is replaced, under another identity.
        String peer = peer(before);
        Path log = cluster.home(WITNESS).resolve("raft").resolve(before.id()).resolve(peer);
        Files.delete(log.resolve("replica"));
        cluster.start(witness, new Formation.Join("unused"), true);
        Awaitility.await()
                .atMost(Duration.ofSeconds(60))
                .ignoreExceptions()
                .untilAsserted(
                        () -> assertThat(peer(group(cluster.admin().status()))).isNotEqualTo(peer));
        awaitHealthy();
    }

    private NodeConfig config(boolean asWitness, @org.jspecify.annotations.Nullable Formation how) {
        return new NodeConfig(
                WITNESS,
                "default",
                asWitness,
                List.of(new DiskSpec(cluster.home(WITNESS), 0)),
                witness.wire(),
                witness.raft(),
                witness.api(),
                null,
                null,
                null,
                how,
                NodeConfig.Tuning.DEFAULT);
    }

    private static String peer(GroupInfo group) {
        return group.replicas().stream()
                .map(ReplicaInfo::peer)
                .filter(p -> p.contains(".w"))
                .findFirst()
                .orElseThrow();
    }
}
