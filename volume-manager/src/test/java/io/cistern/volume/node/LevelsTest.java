package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClusterAdmin.VerifyReport;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.ClusterStatus.Health;
import io.cistern.volume.NodeConfig.Formation;
import io.cistern.volume.NodeConfig.InitialNode;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeSpec;
import io.cistern.volume.system.Level;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import org.awaitility.Awaitility;
import org.awaitility.core.ThrowingRunnable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Nodes of two releases in one cluster: two that know the newest format level, and n2, which says
/// nothing of levels.
@Timeout(120)
class LevelsTest {
    private static final int BLOCK = 4096;

    private static int fileLevel(TestCluster cluster, String node) {
        return Objects.requireNonNull(NodeFile.load(cluster.home(node))).level();
    }

    /// Nodes that have just started are still opening their replicas.
    private static void await(ThrowingRunnable assertions) {
        Awaitility.await()
                .atMost(Duration.ofSeconds(60))
                .ignoreExceptions()
                .untilAsserted(assertions);
    }

    private static ClusterStatus healthy(TestCluster cluster) {
        ClusterStatus status = cluster.admin().status();
        assertThat(status.health()).as("%s", status.reasons()).isEqualTo(Health.OK);
        return status;
    }

    private static VerifyReport verified(TestCluster cluster) {
        VerifyReport found = cluster.admin().verify(null, (d, t, e) -> {});
        assertThat(found.mismatches()).isEmpty();
        return found;
    }

    private static void raised(TestCluster cluster) {
        ClusterStatus status = healthy(cluster);
        assertThat(status.level()).isEqualTo(Level.NEWEST);
        assertThat(status.notes()).isEmpty();
        for (String node : cluster.names()) {
            assertThat(fileLevel(cluster, node)).as(node).isEqualTo(Level.NEWEST);
        }
        assertThat(verified(cluster).notes()).isEmpty();
    }

    @Test
    void theLevelRisesWithTheLastNodeAndStays(@TempDir Path directory) {
        try (TestCluster cluster = new TestCluster(directory, 3, Map.of("n2", 0))) {
            cluster.admin().createVolume(VolumeSpec.of("v", 16 << 20));
            try (VolumeDevice device =
                    cluster.any().client().open("v", AttachMode.EXCLUSIVE, "a guest")) {
                device.write(0, ByteBuffer.allocate(BLOCK)).join();
                mixed(cluster);
                cluster.stop("n2");
                cluster.release("n2", Level.NEWEST);
                cluster.start("n2");
                await(() -> raised(cluster));
                device.write(BLOCK, ByteBuffer.allocate(BLOCK)).join();
            }
            // There is no way back any more.
            cluster.stop("n1");
            cluster.release("n1", 0);
            assertThatThrownBy(() -> cluster.start("n1"))
                    .hasMessageContaining("is at format level " + Level.NEWEST)
                    .satisfies(e ->
                            assertThat(CisternException.of(e).code()).isEqualTo(ErrorCode.INVALID));
            assertThat(cluster.halts).isEmpty();
        }
    }

    /// What is new is not used, and it is said why.
    private static void mixed(TestCluster cluster) {
        String older = "n2 runs an older Cistern";
        await(() -> {
            ClusterStatus status = healthy(cluster);
            assertThat(status.level()).isZero();
            assertThat(status.notes()).singleElement().asString().contains(older);
            assertThat(status.nodes())
                    .extracting(ClusterStatus.NodeInfo::level)
                    .containsExactly(Level.NEWEST, Level.NEWEST, 0);
            assertThat(verified(cluster).notes()).singleElement().asString().contains(older);
        });
        InitialNode witness = TestCluster.place("n3");
        Formation join = new Formation.Join(cluster.admin().createJoinToken());
        assertThatThrownBy(() -> cluster.start(witness, join, true))
                .hasMessageContaining("node n2 runs an older Cistern that does not know witnesses");
        assertThat(cluster.admin().status().level()).isZero();
        assertThat(fileLevel(cluster, "n0")).isZero();
    }
}
