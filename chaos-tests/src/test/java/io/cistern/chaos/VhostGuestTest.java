package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.cistern.vmdisk.AttachmentView;
import io.cistern.vmdisk.NbdMetrics;
import io.cistern.vmdisk.QemuMonitor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Guests whose disks are served from their memory, and guests that move.
class VhostGuestTest {
    private static final Duration QUICK = Duration.ofSeconds(30);
    private static final Duration LONG = Duration.ofMinutes(7);
    private static final long SECTOR = 512;

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

    /// Verified writes go on while the driver is killed, then the leader, then the driver again;
    /// then the disk grows under the guest without a word to QEMU.
    @Test
    void theDriverAndTheLeaderAreKilledAndTheDiskGrows(@TempDir Path guestDir) throws Exception {
        cluster.cistern("volume", "create", "fast", "64MiB");
        Path socket = cluster.attach("fast", "fast", "--transport", "vhost-user");
        try (Guest guest = Guest.boot(guestDir, Guest.vhostUser(socket))) {
            CompletableFuture<Programs.Result> fio = guest.start(Fio.inGuest(16, 300), Fio.LIMIT);
            await().atMost(Duration.ofSeconds(60))
                    .ignoreExceptions()
                    .until(() -> cluster.volumeUsed("fast") >= 1 << 20);
            cluster.killDriver();
            String leader = cluster.leaderOf("fast");
            cluster.kill(leader);
            cluster.leaderOf("fast", leader);
            cluster.killDriver();
            cluster.startNodes();

            fio.get(Fio.LIMIT.toSeconds(), TimeUnit.SECONDS).succeeded();
            assertThat(guest.diskErrors()).isEmpty();

            cluster.cistern("volume", "resize", "fast", "80MiB");
            await().atMost(QUICK)
                    .untilAsserted(() ->
                            assertThat(
                                            SECTOR
                                                    * Long.parseLong(
                                                            guest.run(
                                                                            "cat /sys/block/vda/size",
                                                                            QUICK)
                                                                    .succeeded()
                                                                    .output()
                                                                    .strip()))
                                    .isEqualTo(80L << 20));
            guest.run(
                            "echo tail > /run/t && dd if=/run/t of=/dev/vda bs=1M seek=79 conv=notrunc,fsync"
                                    + " && dd if=/dev/vda bs=1M skip=79 count=1 | head -c 4 | grep tail",
                            QUICK)
                    .succeeded();
            assertThat(guest.diskErrors()).isEmpty();
        }
        cluster.awaitHealth("OK");
        cluster.cistern("detach", "fast");
    }

    /// Disks come and go under a running guest, over both transports.
    @Test
    void disksArePluggedInAndPulledOut(@TempDir Path guestDir) throws Exception {
        cluster.cistern("volume", "create", "root", "16MiB");
        cluster.cistern("volume", "create", "plug-nbd", "24MiB");
        cluster.cistern("volume", "create", "plug-vhost", "32MiB");
        Path socket = cluster.attach("root", "root", "--transport", "vhost-user");
        cluster.attach("plug-nbd", "plug-nbd");
        cluster.attach("plug-vhost", "plug-vhost", "--transport", "vhost-user");
        assertThat(cluster.cistern("guest", "plug", "plug-nbd")).contains("blockdev-add");
        try (Guest guest = Guest.boot(guestDir, Guest.vhostUser(socket))) {
            String qmp = guest.monitor().toString();
            for (String volume : List.of("plug-nbd", "plug-vhost")) {
                cluster.cistern("guest", "plug", volume, "--qmp", qmp);
                await().atMost(QUICK).until(() -> guest.run("test -b /dev/vdb", QUICK).exit() == 0);
                guest.run(
                                "dd if=/dev/urandom of=/run/r bs=1M count=4 && dd if=/run/r of=/dev/vdb bs=1M"
                                        + " conv=fsync && dd if=/dev/vdb bs=1M count=4 | cmp - /run/r",
                                QUICK)
                        .succeeded();
                assertThat(cluster.command("guest", "plug", volume, "--qmp", qmp).output())
                        .contains("already");
                cluster.cistern("guest", "unplug", volume, "--qmp", qmp);
                await().atMost(QUICK).until(() -> guest.run("test -b /dev/vdb", QUICK).exit() != 0);
                cluster.cistern("detach", volume);
            }
            cluster.cistern("attach", "plug-nbd", "--transport", "vhost-user");
            cluster.cistern("guest", "plug", "plug-nbd", "--qmp", qmp);
            assertThat(cluster.cistern("guest", "snapshot", "both", "--qmp", qmp))
                    .contains("root@both", "plug-nbd@both", "stood still");
            assertThat(guest.run("dd if=/dev/vda of=/dev/null bs=1M count=1", QUICK).exit())
                    .isZero();
            assertThat(guest.diskErrors()).isEmpty();
        }
        cluster.cistern("detach", "root");
        cluster.cistern("detach", "plug-nbd");
    }

    /// A guest moves to another QEMU while it writes. Its volume follows with its first write
    /// there, and whoever held it before can write no more.
    @ParameterizedTest
    @ValueSource(strings = {"nbd", "vhost-user"})
    void aGuestMovesWhileItWrites(String transport, @TempDir Path guestDir) throws Exception {
        String volume = "moving-" + transport;
        cluster.cistern("volume", "create", volume, "64MiB");
        Path from = cluster.attach(volume, transport + "-from", "--transport", transport);
        Path to = cluster.attach(volume, transport + "-to", "--transport", transport, "--incoming");
        Path migration = guestDir.resolve("migration");
        Path here = Files.createDirectory(guestDir.resolve("here"));
        Path there = Files.createDirectory(guestDir.resolve("there"));
        try (Guest source = Guest.boot(here, disk(transport, volume, from));
                Guest target = Guest.incoming(there, disk(transport, volume, to), migration)) {
            String fio = source.send(Fio.inGuest(8, 200));
            await().atMost(Duration.ofSeconds(60))
                    .ignoreExceptions()
                    .until(() -> cluster.volumeUsed(volume) >= 1 << 20);
            migrate(source, migration);

            target.answer(fio, Fio.LIMIT).succeeded();
            assertThat(target.diskErrors()).isEmpty();
        }
        assertThat(cluster.driver().list().stream().filter(v -> v.volume().equals(volume)))
                .extracting(AttachmentView::socket, AttachmentView::state, AttachmentView::incoming)
                .containsExactly(
                        Assertions.tuple(from.toString(), "ended", false),
                        Assertions.tuple(to.toString(), "open", false));
        cluster.cistern("detach", volume);
    }

    /// All nodes are restarted, one after the other; then two of three are dead for a minute.
    /// `-Dcistern.long=true`: four minutes each.
    @ParameterizedTest
    @ValueSource(strings = {"nbd", "vhost-user"})
    @EnabledIfSystemProperty(named = "cistern.long", matches = "true")
    void aRollingRestartAndAMinuteWithoutAMajority(String transport, @TempDir Path guestDir)
            throws Exception {
        String volume = "steady-" + transport;
        cluster.cistern("volume", "create", volume, "64MiB");
        Path socket = cluster.attach(volume, volume, "--transport", transport);
        try (Guest guest = Guest.boot(guestDir, disk(transport, volume, socket))) {
            CompletableFuture<Programs.Result> fio = guest.start(Fio.inGuest(40, 60), LONG);
            for (String node : List.of("n0", "n1", "n2")) {
                cluster.terminate(node);
                cluster.startNodes();
                cluster.awaitHealth("OK");
            }
            assertThat(fio).as("the load outlasts the restarts").isNotDone();
            loseTheMajority(volume);
            await().pollDelay(Duration.ofMinutes(1)).atMost(LONG).until(() -> true);
            assertThat(fio).as("writes wait").isNotDone();
            cluster.startNodes();
            fio.get(LONG.toSeconds(), TimeUnit.SECONDS).succeeded();
            assertThat(guest.diskErrors()).isEmpty();
        }
        cluster.awaitHealth("OK");
        cluster.cistern("detach", volume);
    }

    /// QEMU asks for each ring's end and waits for it with its monitor. `-Dcistern.long=true`.
    @Test
    @EnabledIfSystemProperty(named = "cistern.long", matches = "true")
    void aGuestIsStoppedWithoutAMajorityAndGoesOnWithOne(@TempDir Path guestDir) throws Exception {
        cluster.cistern("volume", "create", "halted", "64MiB");
        Path socket = cluster.attach("halted", "halted", "--transport", "vhost-user");
        try (Guest guest = Guest.boot(guestDir, Guest.vhostUser(socket));
                QemuMonitor monitor = QemuMonitor.connect(guest.monitor())) {
            CompletableFuture<Programs.Result> fio = guest.start(Fio.inGuest(16, 200), LONG);
            await().atMost(Duration.ofSeconds(60))
                    .ignoreExceptions()
                    .until(() -> cluster.volumeUsed("halted") >= 1 << 20);
            loseTheMajority("halted");
            long began = System.nanoTime();
            monitor.execute("stop", Map.of());
            Duration took = Duration.ofNanos(System.nanoTime() - began);
            System.out.println("stop took " + took);
            assertThat(took).isLessThan(Duration.ofSeconds(100));
            cluster.startNodes();
            cluster.awaitHealth("OK");
            monitor.execute("cont", Map.of());
            fio.get(LONG.toSeconds(), TimeUnit.SECONDS).succeeded();
            assertThat(guest.diskErrors()).isEmpty();
        }
        cluster.cistern("detach", "halted");
    }

    /// One guest with a disk over each transport; its driver is killed `-Dcistern.kills` times,
    /// each time amid requests, while every block of both disks is written and read back again and
    /// again.
    @Test
    @EnabledIfSystemProperty(named = "cistern.kills", matches = "[1-9][0-9]*")
    void theDriverIsKilledManyTimesUnderAGuestsLoad(@TempDir Path guestDir) throws Exception {
        int kills = Integer.getInteger("cistern.kills");
        cluster.cistern("volume", "create", "killed-nbd", "8MiB");
        cluster.cistern("volume", "create", "killed-vhost", "8MiB");
        Path nbd = cluster.attach("killed-nbd", "killed-nbd");
        Path vhost = cluster.attach("killed-vhost", "killed-vhost", "--transport", "vhost-user");
        List<String> disks = new ArrayList<>(Guest.nbd("killed-nbd", nbd));
        Guest.vhostUser(vhost).forEach(word -> disks.add(word.replace("id=vda", "id=vdb")));
        try (Guest guest = Guest.boot(guestDir, disks)) {
            for (String disk : List.of("vda", "vdb")) {
                guest.run(Fio.inGuestUntilStopped(disk, 8, 150), QUICK).succeeded();
            }
            Random random = new Random();
            for (int i = 0; i < kills; i++) {
                long requests = 1 + random.nextInt(100);
                await().atMost(Duration.ofMinutes(1))
                        .pollInterval(Duration.ofMillis(20))
                        .ignoreExceptions()
                        .until(() -> served() >= requests);
                cluster.killDriver();
            }
            guest.run("touch /run/stop", QUICK).succeeded();
            for (String disk : List.of("vda", "vdb")) {
                String passes =
                        guest.run(
                                        "until [ -e /run/passes-"
                                                + disk
                                                + " ]; do sleep 1; done; cat /run/load-"
                                                + disk
                                                + "; cat /run/passes-"
                                                + disk,
                                        Fio.LIMIT)
                                .succeeded()
                                .output();
                System.out.println(kills + " kills, " + disk + ": " + passes.strip());
                assertThat(passes).endsWith("whole passes, none failed\n");
            }
            assertThat(guest.diskErrors()).isEmpty();
        }
        cluster.cistern("detach", "killed-nbd");
        cluster.cistern("detach", "killed-vhost");
    }

    /// Requests of the less busy of the driver's two disks in its present life.
    private static long served() {
        return cluster.driver().list().stream()
                .filter(view -> view.volume().startsWith("killed-"))
                .mapToLong(view -> {
                    NbdMetrics.Snapshot of = view.metrics();
                    return of == null ? 0 : of.reads() + of.writes();
                })
                .min()
                .orElse(0);
    }

    private static void loseTheMajority(String volume) throws InterruptedException {
        String leader = cluster.leaderOf(volume);
        String other = leader.equals("n0") ? "n1" : "n0";
        cluster.kill(leader);
        cluster.kill(other);
    }

    private static List<String> disk(String transport, String volume, Path socket) {
        return transport.equals("nbd") ? Guest.nbd(volume, socket) : Guest.vhostUser(socket);
    }

    private static void migrate(Guest source, Path migration) {
        try (QemuMonitor monitor = QemuMonitor.connect(source.monitor())) {
            monitor.execute("migrate", Map.of("uri", "unix:" + migration));
            await().atMost(Duration.ofSeconds(90))
                    .pollInterval(Duration.ofMillis(100))
                    .until(() -> {
                        var state = monitor.execute("query-migrate", Map.of());
                        assertThat(state.path("status").asText())
                                .as(state.toString())
                                .isNotEqualTo("failed");
                        return state.path("status").asText().equals("completed");
                    });
            monitor.execute("quit", Map.of());
        }
    }
}
