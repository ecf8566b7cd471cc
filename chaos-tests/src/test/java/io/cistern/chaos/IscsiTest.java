package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Other people's initiators at the portals of three node processes.
class IscsiTest {
    private static final Duration QUICK = Duration.ofSeconds(60);
    private static final Duration STALL_LIMIT = Duration.ofSeconds(5);
    private static final long MIB = 1 << 20;

    @TempDir static Path dir;
    private static LocalCluster cluster;

    @BeforeAll
    static void start() throws IOException, InterruptedException {
        cluster = LocalCluster.start(dir);
    }

    @AfterAll
    static void stop() throws IOException, InterruptedException {
        if (cluster != null) {
            cluster.close();
        }
    }

    /// The address of an exported volume at a node's portal.
    private static String url(int node, String volume) {
        return "iscsi://" + cluster.portal(node) + "/iqn.2026-11.io.cistern:" + volume + "/0";
    }

    private static String run(String... command) throws IOException, InterruptedException {
        return Programs.run(dir, QUICK, List.of(command)).succeeded().output();
    }

    private static void export(String volume, String size)
            throws IOException, InterruptedException {
        cluster.cistern("volume", "create", volume, size);
        cluster.cistern("iscsi", "export", volume);
    }

    @Test
    void everyNodeServesEveryExport() throws Exception {
        export("shared", "64MiB");
        for (int node = 0; node < LocalCluster.NODES; node++) {
            String found = run("iscsi-ls", "-s", "iscsi://" + cluster.portal(node));
            for (int portal = 0; portal < LocalCluster.NODES; portal++) {
                assertThat(found)
                        .contains("iqn.2026-11.io.cistern:shared Portal:" + cluster.portal(portal));
            }
        }
        assertThat(run("iscsi-inq", url(1, "shared"))).contains("Vendor:CISTERN");
        run("qemu-io", "-f", "raw", "-c", "write -P 5 1M 3M", "-c", "flush", url(0, "shared"));
        for (int node = 0; node < LocalCluster.NODES; node++) {
            String said = run("qemu-io", "-f", "raw", "-c", "read -P 5 1M 3M", url(node, "shared"));
            assertThat(said).doesNotContain("verification failed");
        }
        assertThat(cluster.command("volume", "delete", "shared").output())
                .contains("cistern iscsi unexport shared");
        assertThat(cluster.command("attach", "shared").output()).contains("--shared");
        cluster.cistern("iscsi", "unexport", "shared");
        cluster.cistern("volume", "delete", "shared");
        assertThat(run("iscsi-ls", "iscsi://" + cluster.portal(0))).doesNotContain("shared");
    }

    /// QEMU's initiator, with logical blocks of 4,096 bytes, through a portal whose node does not
    /// lead: the leader is killed, then the node of the portal itself, and every block that was
    /// acknowledged is there.
    @Test
    void aVerifiedLoadLosesNothingWhereLeaderAndPortalAreKilled() throws Exception {
        cluster.cistern("volume", "create", "load", "256MiB");
        cluster.cistern("iscsi", "export", "load", "--block-size", "4096");
        String leader = cluster.leaderOf("load");
        int portal = leader.equals("n0") ? 1 : 0;
        Path socket = dir.resolve("load.sock");
        try (Programs.Running bridge =
                        Programs.start(
                                dir,
                                List.of(
                                        "qemu-nbd",
                                        "--format=raw",
                                        "--cache=none",
                                        "--persistent",
                                        "--export-name=load",
                                        "--socket=" + socket,
                                        url(portal, "load")));
                AwaitedSocket ready = new AwaitedSocket(socket);
                Programs.Running fio =
                        Programs.start(dir, Fio.overNbd("load", ready.socket(), 20, 180))) {
            awaitWritten("load", MIB);
            cluster.kill(leader);
            cluster.leaderOf("load", leader);
            cluster.startNodes();
            assertThat(bridge.alive() && fio.alive()).as("still in the middle").isTrue();
            cluster.kill("n" + portal);
            cluster.startNodes();
            fio.end(Fio.LIMIT).succeeded();
        }
        cluster.awaitHealth("OK");
        cluster.cistern("verify", "load");
        cluster.cistern("iscsi", "unexport", "load");
    }

    /// Waits until the volume's sessions have taken that much data.
    private static void awaitWritten(String volume, long bytes) {
        await().atMost(Duration.ofSeconds(60))
                .ignoreExceptions()
                .until(() -> {
                    long written = 0;
                    for (JsonNode s : cluster.get("/v1/iscsi/sessions")) {
                        if (s.path("volume").asText().equals(volume)) {
                            written += s.path("writtenBytes").asLong();
                        }
                    }
                    return written >= bytes;
                });
    }

    private record AwaitedSocket(Path socket) implements AutoCloseable {
        AwaitedSocket {
            await().atMost(QUICK).until(() -> Files.exists(socket));
        }

        @Override
        public void close() {}
    }

    @Test
    void chapKeepsOthersOut() throws Exception {
        cluster.cistern("volume", "create", "secret", "16MiB");
        Path file = secret("chap", "twelve and more");
        cluster.cistern(
                "iscsi",
                "export",
                "secret",
                "--chap-user",
                "host1",
                "--chap-secret-file",
                file.toString(),
                "--initiator",
                "iqn.2010-01.org.example:host1");
        List<String> inq =
                List.of("iscsi-inq", "-i", "iqn.2010-01.org.example:host1", url(2, "secret"));
        assertThat(Programs.run(dir, QUICK, inq).exit()).as("without a secret").isNotZero();
        assertThat(cluster.logs()).doesNotContain("twelve and more");
        cluster.cistern("iscsi", "unexport", "secret");
    }

    /// A Debian host with CHAP in both directions and digests, with a file system over the portals
    /// of two nodes. The node of the path that it uses is killed and comes back: to the host that
    /// is a short stall and no error. `-Dcistern.multipath.kills=N` does it N times, and prints
    /// each; `-Dcistern.multipath.blocks=4096` with logical blocks of that size.
    @Test
    void aHostWithTwoPathsSeesAKilledNodeAsAShortStall(@TempDir Path guestDir) throws Exception {
        cluster.cistern("volume", "create", "san", "256MiB");
        cluster.cistern(
                "iscsi",
                "export",
                "san",
                "--block-size",
                System.getProperty("cistern.multipath.blocks", "512"),
                "--initiator",
                MultipathHost.INITIATOR,
                "--chap-user",
                "host1",
                "--chap-secret-file",
                secret("in", MultipathHost.SECRET).toString(),
                "--mutual-user",
                "cistern1",
                "--mutual-secret-file",
                secret("out", MultipathHost.TARGET_SECRET).toString());
        int leader = Integer.parseInt(cluster.leaderOf("san").substring(1));
        int other = (leader + 1) % LocalCluster.NODES;
        int kills = Integer.getInteger("cistern.multipath.kills", 1);
        try (MultipathHost host = MultipathHost.boot(guestDir, cluster, "san")) {
            host.logIn(other, List.of(leader, other));
            host.mount();
            for (int i = 0; i < kills; i++) {
                String victim = host.activeNode();
                Duration stall =
                        host.verifiedLoad(
                                12,
                                () -> {
                                    cluster.kill(victim);
                                    cluster.startNodes();
                                });
                System.out.printf("killed %s: longest stall %s%n", victim, stall);
                assertThat(stall).as(host.sh("dmesg | tail -n 40")).isLessThan(STALL_LIMIT);
                host.awaitPaths(2);
            }
            host.unmount();
        }
        cluster.awaitHealth("OK");
        cluster.cistern("verify", "san");
        cluster.cistern("iscsi", "unexport", "san");
    }

    private static Path secret(String name, String secret) throws IOException {
        Path file = Files.writeString(dir.resolve(name + ".secret"), secret + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        return file;
    }

    /// Those of libiscsi's suites that take two paths or two initiators, with each at another node:
    /// reservations, resets and compare-and-write are the cluster's, not a node's. Meanwhile the
    /// third node, which leads, is killed and comes back, and no command fails. (The suites as a
    /// whole run in `iscsi-target`, over one device, and in `benchmarks/iscsi-faults.sh`.)
    @Test
    void whatOnePathDoesBindsTheOtherWhileTheLeaderIsKilledAndComesBack() throws Exception {
        export("suite", "128MiB");
        String leader = cluster.leaderOf("suite");
        int first = (Integer.parseInt(leader.substring(1)) + 1) % LocalCluster.NODES;
        int second = (first + 1) % LocalCluster.NODES;
        try (ExecutorService beside = Executors.newVirtualThreadPerTaskExecutor()) {
            Future<?> back =
                    beside.submit(() -> {
                        cluster.kill(leader);
                        cluster.startNodes();
                        return null;
                    });
            for (String suite :
                    List.of(
                            "SCSI.MultipathIO",
                            "SCSI.ProutReserve",
                            "SCSI.ProutPreempt",
                            "SCSI.ProutClear",
                            "SCSI.Reserve6",
                            "SCSI.OrWrite")) {
                String said =
                        run(
                                "iscsi-test-cu",
                                "--dataloss",
                                "--normal",
                                "--test=" + suite,
                                url(first, "suite"),
                                url(second, "suite"));
                assertThat(said).contains("Run Summary").doesNotContain("had failures");
            }
            back.get();
        }
        cluster.cistern("iscsi", "unexport", "suite");
    }
}
