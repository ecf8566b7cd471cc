package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A Linux host with open-iscsi and dm-multipath, as `docs/howto/iscsi-linux.md` sets it up, at the
/// portals of two nodes.
///
/// `-Dcistern.multipath.kills=N` kills the node of the active path N times (default once), and
/// prints the longest stall of each time.
class MultipathTest {
    private static final Duration QUICK = Duration.ofSeconds(60);
    private static final long STALL_LIMIT_NS = Duration.ofSeconds(5).toNanos();
    private static final String INITIATOR = "iqn.1993-08.org.debian:01:host1";
    private static final String TARGET = "iqn.2026-11.io.cistern:san";
    private static final String MULTIPATH_CONF =
            """
            defaults {
                polling_interval 1
                max_polling_interval 2
                find_multipaths no
                user_friendly_names no
            }
            devices {
                device {
                    vendor               "CISTERN"
                    product              "VOLUME"
                    path_grouping_policy group_by_prio
                    prio                 alua
                    path_checker         tur
                    hardware_handler     "1 alua"
                    failback             immediate
                    no_path_retry        60
                    fast_io_fail_tmo     1
                }
            }
            """;

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

    @Test
    void aKilledNodeOfTheActivePathIsAShortStallAndNoError(@TempDir Path guestDir)
            throws Exception {
        cluster.cistern("volume", "create", "san", "256MiB");
        cluster.cistern(
                "iscsi",
                "export",
                "san",
                "--initiator",
                INITIATOR,
                "--chap-user",
                "host1",
                "--chap-secret-file",
                secret("in", "a secret of the host").toString(),
                "--mutual-user",
                "cistern1",
                "--mutual-secret-file",
                secret("out", "a secret of the target").toString());
        String leader = cluster.leaderOf("san");
        int active = Integer.parseInt(leader.substring(1));
        int other = (active + 1) % LocalCluster.NODES;
        try (Guest guest = Guest.bootInitiator(guestDir)) {
            setUp(guest);
            sh(
                    guest,
                    "iscsiadm -m discovery -t sendtargets -p " + cluster.portal(other)
                            + " > /run/found && test $(wc -l < /run/found) = 3");
            for (int node : List.of(active, other)) {
                sh(guest, "iscsiadm -m node -T " + TARGET + " -p " + cluster.portal(node) + " -l");
            }
            awaitPaths(guest, 2);
            assertThat(sh(guest, "iscsiadm -m session -P 2"))
                    .contains("HeaderDigest: CRC32C", "DataDigest: CRC32C");
            sh(
                    guest,
                    "/bin/mke2fs -q -t ext4 -E nodiscard /dev/mapper/3* && mkdir -p /mnt && mount /dev/mapper/3* /mnt");
            for (int i = 0; i < Integer.getInteger("cistern.multipath.kills", 1); i++) {
                String killed = activeNode(guest);
                JsonNode fio = verifiedLoad(guest, killed);
                long stall =
                        Math.max(
                                fio.at("/write/clat_ns/max").asLong(),
                                fio.at("/read/clat_ns/max").asLong());
                System.out.printf(
                        "killed %s: longest stall %d ms, %d writes%n",
                        killed, stall / 1_000_000, fio.at("/write/total_ios").asLong());
                assertThat(stall)
                        .as("longest stall, ns; %s", sh(guest, "dmesg | tail -n 40"))
                        .isLessThan(STALL_LIMIT_NS);
                awaitPaths(guest, 2);
            }
            sh(guest, "umount /mnt && /bin/e2fsck -fn /dev/mapper/3*");
            assertThat(sh(guest, "dmesg | grep -E 'EXT4-fs error|Buffer I/O error|dm-0.*error' || true"))
                    .isEmpty();
        }
        cluster.awaitHealth("OK");
        cluster.cistern("verify", "san");
        cluster.cistern("iscsi", "unexport", "san");
    }

    /// Writes and then reads back a file while the node is killed and started again.
    private static JsonNode verifiedLoad(Guest guest, String killed) throws Exception {
        CompletableFuture<Programs.Result> fio =
                guest.start(
                        "rm -f /mnt/file; fio --name=verified --filename=/mnt/file --ioengine=libaio --direct=1"
                                + " --rw=randwrite --bs=4k --iodepth=8 --size=16m --rate_iops=,200"
                                + " --verify=crc32c --verify_fatal=1 --do_verify=1"
                                + " --output-format=json --output=/run/fio",
                        Fio.LIMIT);
        long before = written();
        await().atMost(QUICK).ignoreExceptions().until(() -> written() >= before + (2 << 20));
        cluster.kill(killed);
        cluster.leaderOf("san", killed);
        cluster.startNodes();
        Programs.Result result = fio.get(Fio.LIMIT.toSeconds(), TimeUnit.SECONDS);
        String report = guest.run("cat /run/fio; dmesg | tail -n 40", QUICK).output();
        assertThat(result.exit()).as(report).isZero();
        return new ObjectMapper().readTree(report.substring(report.indexOf('{'))).at("/jobs/0");
    }

    private static long written() throws InterruptedException {
        long all = 0;
        for (JsonNode s : cluster.get("/v1/iscsi/sessions")) {
            all += s.path("writtenBytes").asLong();
        }
        return all;
    }

    /// The node of the path that the host uses now.
    private static String activeNode(Guest guest) throws IOException {
        String address =
                sh(
                                guest,
                                """
                                disk=$(multipathd show paths raw format '%d %p' | sort -k2n | tail -n 1 | cut -d' ' -f1)
                                for s in /sys/class/iscsi_session/*; do
                                    ls -d $s/device/target*/*/block/$disk > /dev/null 2>&1 || continue
                                    cat /sys/class/iscsi_connection/connection${s##*/session}:0/persistent_port
                                done""")
                        .strip();
        for (int node = 0; node < LocalCluster.NODES; node++) {
            if (cluster.portal(node).endsWith(":" + address)) {
                return "n" + node;
            }
        }
        throw new AssertionError("no portal at port " + address);
    }

    /// Waits until multipath sees as many paths that work.
    private static void awaitPaths(Guest guest, int count) {
        List<String> seen = new ArrayList<>(List.of(""));
        await().atMost(QUICK)
                .pollInterval(Duration.ofMillis(500))
                .untilAsserted(() -> {
                    seen.set(0, sh(guest, "multipathd show topology"));
                    assertThat(seen.getFirst().split("active ready running", -1))
                            .as(seen.getFirst() + sh(guest, "dmesg | tail -n 30"))
                            .hasSize(count + 1);
                });
    }

    private static void setUp(Guest guest) throws IOException {
        sh(
                guest,
                """
                set -e
                ip link set eth0 up
                ip addr add 10.0.2.15/24 dev eth0
                ip route add default via 10.0.2.2
                echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
                mkdir -p /run/lock/iscsi
                echo InitiatorName=%s > /etc/iscsi/initiatorname.iscsi
                cat >> /etc/iscsi/iscsid.conf << 'END'
                node.session.auth.authmethod = CHAP
                node.session.auth.chap_algs = SHA3-256,SHA256
                node.session.auth.username = host1
                node.session.auth.password = a secret of the host
                node.session.auth.username_in = cistern1
                node.session.auth.password_in = a secret of the target
                node.session.timeo.replacement_timeout = 1
                node.conn[0].timeo.noop_out_interval = 1
                node.conn[0].timeo.noop_out_timeout = 2
                node.conn[0].iscsi.HeaderDigest = CRC32C
                node.conn[0].iscsi.DataDigest = CRC32C
                END
                cat > /etc/multipath.conf << 'END'
                %sEND
                systemd-udevd --daemon
                udevadm trigger
                udevadm settle
                iscsid
                multipathd
                """
                        .formatted(INITIATOR, MULTIPATH_CONF));
    }

    private static String sh(Guest guest, String command) throws IOException {
        return guest.run(command, QUICK).succeeded().output();
    }

    private static Path secret(String name, String secret) throws IOException {
        Path file = Files.writeString(dir.resolve(name + ".secret"), secret + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        return file;
    }
}
