package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/// A guest's own NFS client, in all versions: losing the node that serves the share is a pause to
/// it, and what it deleted comes back from a snapshot.
class NfsGuestTest {
    private static final Duration QUICK = Duration.ofSeconds(60);
    private static final Duration LONG = Duration.ofSeconds(150);

    /// Where versions 3, 4.1 and 4.2 are mounted.
    private static final List<String> MOUNTS = List.of("m3", "m41", "m42");

    /// Writes, renames, reads and removes; every file is checked. Ends at the first error.
    private static final String WORK =
            """
            exec 5>>/m42/open
            i=0
            while [ $i -lt 12 ]; do
                mkdir /m42/d$i || exit 1
                dd if=/dev/urandom of=/run/f bs=16k count=3 2>/dev/null
                want=$(md5sum < /run/f)
                dd if=/run/f of=/m42/d$i/new bs=16k conv=fsync 2>/dev/null || exit 2
                mv /m42/d$i/new /m42/d$i/f || exit 3
                [ "$(md5sum < /m42/d$i/f)" = "$want" ] || exit 4
                ln /m42/d$i/f /m42/d$i/g || exit 5
                rm /m42/d$i/f || exit 6
                echo $i >&5 || exit 7
                cp /run/f /m3/v3-$i || exit 8
                rm /m3/v3-$i || exit 9
                i=$((i+1))
                read -r up rest < /proc/uptime
                echo $up >> /run/times
                echo $i > /m41/progress || exit 10
            done
            exec 5>&-
            [ "$(wc -l < /m41/open)" = 12 ] || exit 11
            [ "$(ls /m41 | grep -c '^d')" = 12 ] || exit 12
            awk 'NR > 1 && $1 - last > most { most = $1 - last } { last = $1 } END { print most }' /run/times
            """;

    @TempDir Path dir;

    @Test
    void aShareIsMountedInAllVersionsAndOutlivesTheNodeThatServesIt() throws Exception {
        Phases phases = new Phases();
        try (LocalCluster cluster = LocalCluster.start(Files.createDirectory(dir.resolve("c")))) {
            cluster.cistern("share", "create", "home", "--allow", "127.0.0.0/8:no_root_squash");
            InetSocketAddress second = nfs(cluster, 1);
            try (MovingAddress address = new MovingAddress(nfs(cluster, 0));
                    Guest guest = guest(dir)) {
                phases.ended("start of nodes and guest");
                mount(guest, address.port());
                phases.ended("mounts");
                CompletableFuture<Programs.Result> work = guest.start(WORK, LONG);
                await().atMost(QUICK).ignoreExceptions().until(() -> written(cluster) > 8);
                cluster.kill("n0");
                address.moveTo(second);
                phases.ended("work before the kill");
                await().atMost(QUICK).ignoreExceptions().until(() -> "n1".equals(owner(cluster)));
                phases.ended("another owner");
                String longest = work.get(LONG.toSeconds(), TimeUnit.SECONDS).succeeded().output();
                phases.ended("rest of the work");
                System.out.println(
                        "longest round of work, the takeover's: " + longest.strip() + " s");

                assertThat(cluster.cistern("share", "clients", "home")).contains("Linux NFSv4");
                comesBackFromASnapshot(cluster, guest);
                phases.ended("snapshot");
            }
            cluster.startNodes();
            cluster.awaitHealth("OK");
            phases.ended("whole again");
        }
    }

    /// Loads and verified writes over all versions at once, while one node after the other that
    /// serves the share is killed and comes back, `-Dcistern.kills` times (5).
    @Test
    @EnabledIfSystemProperty(named = "cistern.long", matches = "true")
    void everyVersionGoesOnThroughManyKills() throws Exception {
        int kills = Integer.getInteger("cistern.kills", 5);
        Phases phases = new Phases();
        try (LocalCluster cluster = LocalCluster.start(Files.createDirectory(dir.resolve("c")))) {
            cluster.cistern("share", "create", "home", "--allow", "127.0.0.0/8:no_root_squash");
            List<InetSocketAddress> nodes =
                    List.of(nfs(cluster, 0), nfs(cluster, 1), nfs(cluster, 2));
            try (MovingAddress address = new MovingAddress(nodes.get(0));
                    Guest guest = guest(dir)) {
                mount(guest, address.port());
                GuestLoads loads = loads(cluster, guest);
                for (String mount : MOUNTS) {
                    String file = "/" + mount + "/verified-" + mount;
                    guest.run(Fio.inGuestUntilStopped(mount, file, 2, 100), QUICK).succeeded();
                }
                phases.ended("start");
                for (int kill = 0; kill < kills; kill++) {
                    int next = (kill + 1) % nodes.size();
                    awaitRounds(loads);
                    cluster.kill("n" + kill % nodes.size());
                    address.moveTo(nodes.get(next));
                    await().atMost(QUICK)
                            .ignoreExceptions()
                            .until(() -> ("n" + next).equals(owner(cluster)));
                    awaitRounds(loads);
                    cluster.startNodes();
                    cluster.awaitHealth("OK");
                    phases.ended("kill " + (kill + 1));
                }
                awaitRounds(loads);
                System.out.println(loads.stop(LONG));
                for (String mount : MOUNTS) {
                    String passes = "/run/passes-" + mount;
                    String output =
                            guest.run(
                                            "until [ -e %s ]; do sleep 1; done; cat /run/load-%s %s"
                                                    .formatted(passes, mount, passes),
                                            LONG)
                                    .succeeded()
                                    .output();
                    assertThat(output).endsWith("whole passes, none failed\n");
                    System.out.println(mount + ": " + output.lines().toList().getLast());
                }
                phases.ended("end");
            }
        }
    }

    /// Waits until each load has made a round from now on.
    private static void awaitRounds(GuestLoads loads) throws IOException {
        Map<String, Long> before = loads.rounds();
        await().atMost(LONG)
                .pollInterval(Duration.ofSeconds(1))
                .until(() -> loads.allWentOn(before));
    }

    /// Starts loads on all mounts; the guest gets the program through the share.
    private GuestLoads loads(LocalCluster cluster, Guest guest)
            throws IOException, InterruptedException {
        List<String> copy = new ArrayList<>(List.of("nfs-cp"));
        copy.add(GuestLoads.compile(dir).toString());
        copy.add(NfsShareTest.url(cluster, 0, "/load"));
        Programs.run(dir, QUICK, copy).succeeded();
        return GuestLoads.start(guest, "/m3/load", MOUNTS, 0);
    }

    private static Guest guest(Path dir) throws IOException, InterruptedException {
        return Guest.boot(
                Files.createDirectory(dir.resolve("g")),
                List.of("-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="));
    }

    /// Says how long each part of the test took.
    private static final class Phases {
        private long since = System.nanoTime();

        void ended(String phase) {
            long now = System.nanoTime();
            System.out.printf("%s: %.1f s%n", phase, (now - since) / 1e9);
            since = now;
        }
    }

    private static String owner(LocalCluster cluster) throws InterruptedException {
        return cluster.get("/v1/shares/home").get("owner").asText();
    }

    /// Files that the guest has made so far.
    private static long written(LocalCluster cluster) throws InterruptedException {
        return cluster.get("/v1/shares/home").get("files").asLong();
    }

    private static void mount(Guest guest, int port) throws IOException {
        String options = "addr=10.0.2.2,proto=tcp,port=" + port;
        guest.run(
                        "while read -r m; do insmod /modules/$m; done < /modules/network\n"
                                + "ip link set lo up; ip link set eth0 up\n"
                                + "ip addr add 10.0.2.15/24 dev eth0\n"
                                + "mkdir -p /m3 /m41 /m42\n"
                                + "mount -i -t nfs -o vers=3,nolock,mountproto=tcp,mountport="
                                + port
                                + ","
                                + options
                                + " 10.0.2.2:/home /m3 || exit 1\n"
                                + mount4("4.1", "/m41", options)
                                + mount4("4.2", "/m42", options),
                        QUICK)
                .succeeded();
    }

    private static String mount4(String version, String where, String options) {
        return "mount -i -t nfs4 -o vers="
                + version
                + ",clientaddr=10.0.2.15,"
                + options
                + " 10.0.2.2:/home "
                + where
                + " || exit 1\n";
    }

    private static void comesBackFromASnapshot(LocalCluster cluster, Guest guest)
            throws IOException, InterruptedException {
        cluster.cistern("share", "snapshot", "home@before");
        guest.run(
                        "cp -r /m42/d7 /run/kept && rm -r /m42/d7 && [ ! -e /m42/d7 ] || exit 1\n"
                                + "cp -r /m42/.snapshot/before/d7 /m42/d7 || exit 2\n"
                                + "diff -r /run/kept /m42/d7 || exit 3\n"
                                + "touch /m42/.snapshot/before/x && exit 4\n"
                                + "umount /m3 /m41 /m42",
                        QUICK)
                .succeeded();
    }

    private static InetSocketAddress nfs(LocalCluster cluster, int node)
            throws InterruptedException {
        String address = cluster.status().get("nodes").get(node).get("nfs").asText();
        int colon = address.lastIndexOf(':');
        return new InetSocketAddress("127.0.0.1", Integer.parseInt(address.substring(colon + 1)));
    }
}
