package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// A Linux host with open-iscsi and dm-multipath, as `docs/howto/iscsi-linux.md` sets it up, at the
/// portals of a cluster of this machine. Proves itself with SHA3-256, has the target prove itself,
/// and uses both digests.
final class MultipathHost implements AutoCloseable {
    static final String INITIATOR = "iqn.1993-08.org.debian:01:host1";
    static final String SECRET = "a secret of the host";
    static final String TARGET_SECRET = "a secret of the target";

    private static final Duration QUICK = Duration.ofSeconds(60);
    private static final String SET_UP =
            """
            set -e
            ip link set eth0 up
            ip addr add 10.0.2.15/24 dev eth0
            ip route add default via 10.0.2.2
            echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
            mkdir -p /run/lock/iscsi
            echo InitiatorName=iqn.1993-08.org.debian:01:host1 > /etc/iscsi/initiatorname.iscsi
            cat >> /etc/iscsi/iscsid.conf << 'END'
            node.session.auth.authmethod = CHAP
            node.session.auth.chap_algs = SHA3-256
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
            END
            systemd-udevd --daemon
            udevadm trigger
            udevadm settle
            iscsid
            multipathd
            """;

    private final Guest guest;
    private final LocalCluster cluster;
    private final String target;

    private MultipathHost(Guest guest, LocalCluster cluster, String target) {
        this.guest = guest;
        this.cluster = cluster;
        this.target = target;
    }

    /// Boots it.
    ///
    /// @param dir for its sockets and its console
    static MultipathHost boot(Path dir, LocalCluster cluster, String volume)
            throws IOException, InterruptedException {
        Guest guest = Guest.bootInitiator(dir);
        try {
            guest.run(SET_UP, QUICK).succeeded();
            return new MultipathHost(guest, cluster, "iqn.2026-11.io.cistern:" + volume);
        } catch (IOException | AssertionError e) {
            guest.close();
            throw e;
        }
    }

    String sh(String command) throws IOException {
        return guest.run(command, QUICK).succeeded().output();
    }

    /// Finds the volume at one node's portal, which tells of every node's, and logs in at some.
    void logIn(int discoveredAt, List<Integer> nodes) throws IOException {
        sh(
                "iscsiadm -m discovery -t sendtargets -p "
                        + cluster.portal(discoveredAt)
                        + " > /run/found");
        assertThat(sh("cat /run/found").lines()).hasSize(LocalCluster.NODES);
        for (int node : nodes) {
            sh("iscsiadm -m node -T " + target + " -p " + cluster.portal(node) + " -l");
        }
        awaitPaths(nodes.size());
        assertThat(sh("iscsiadm -m session -P 2"))
                .contains("HeaderDigest: CRC32C", "DataDigest: CRC32C");
    }

    /// Makes and mounts a file system on the multipath device.
    void mount() throws IOException {
        sh(
                "/bin/mke2fs -q -t ext4 -E nodiscard /dev/mapper/3* && mkdir -p /mnt && mount /dev/mapper/3* /mnt");
    }

    /// Unmounts it, checks it, and that the kernel has told no error of the device.
    void unmount() throws IOException {
        sh("umount /mnt && /bin/e2fsck -fn /dev/mapper/3*");
        assertThat(sh("dmesg | grep -E 'EXT4-fs error|Buffer I/O error|I/O error.*dm-' || true"))
                .isEmpty();
    }

    /// Writes a file of blocks that carry their checksums and reads it back, and does something
    /// once a part of it is written.
    ///
    /// @return the longest time that a write or a read has taken
    Duration verifiedLoad(int mib, Fault fault) throws Exception {
        CompletableFuture<Programs.Result> fio =
                guest.start(
                        "rm -f /mnt/file; fio --name=verified --filename=/mnt/file --ioengine=libaio"
                                + " --direct=1 --rw=randwrite --bs=4k --iodepth=8 --rate_iops=,200"
                                + " --verify=crc32c --verify_fatal=1 --do_verify=1"
                                + " --output-format=json --output=/run/fio --size="
                                + mib
                                + "m",
                        Fio.LIMIT);
        long before = written();
        await().atMost(QUICK).ignoreExceptions().until(() -> written() >= before + (1 << 20));
        assertThat(fio).as("the load").isNotDone();
        fault.happen();
        Programs.Result result = fio.get(Fio.LIMIT.toSeconds(), TimeUnit.SECONDS);
        String report = guest.run("cat /run/fio; dmesg | tail -n 40", QUICK).output();
        assertThat(result.exit()).as(report).isZero();
        JsonNode job =
                new ObjectMapper().readTree(report.substring(report.indexOf('{'))).at("/jobs/0");
        assertThat(job.at("/write/total_ios").asLong()).isEqualTo(mib * 256L);
        assertThat(job.at("/read/total_ios").asLong()).as("verified").isEqualTo(mib * 256L);
        return Duration.ofNanos(
                Math.max(
                        job.at("/write/clat_ns/max").asLong(),
                        job.at("/read/clat_ns/max").asLong()));
    }

    /// What goes wrong during a load.
    interface Fault {
        void happen() throws Exception;
    }

    private long written() throws InterruptedException {
        long all = 0;
        for (JsonNode s : cluster.get("/v1/iscsi/sessions")) {
            if (target.endsWith(":" + s.path("volume").asText())) {
                all += s.path("writtenBytes").asLong();
            }
        }
        return all;
    }

    /// The node of the path that the host uses now.
    String activeNode() throws IOException {
        String port =
                sh("""
                disk=$(multipathd show paths raw format '%d %p' | sort -k2n | tail -n 1 | cut -d' ' -f1)
                for s in /sys/class/iscsi_session/*; do
                    ls -d $s/device/target*/*/block/$disk > /dev/null 2>&1 || continue
                    cat /sys/class/iscsi_connection/connection${s##*/session}:0/persistent_port
                done\
                """)
                        .strip();
        for (int node = 0; node < LocalCluster.NODES; node++) {
            if (cluster.portal(node).endsWith(":" + port)) {
                return "n" + node;
            }
        }
        throw new AssertionError("no portal at port " + port);
    }

    /// Waits until multipath sees as many paths that work.
    void awaitPaths(int count) {
        List<String> seen = new ArrayList<>(List.of(""));
        await().atMost(QUICK)
                .pollInterval(Duration.ofMillis(500))
                .untilAsserted(() -> {
                    seen.set(0, sh("multipathd show topology"));
                    assertThat(seen.getFirst().split("active ready running", -1))
                            .as(seen.getFirst() + sh("dmesg | tail -n 30"))
                            .hasSize(count + 1);
                });
    }

    @Override
    public void close() throws IOException, InterruptedException {
        guest.close();
    }
}
