package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.cistern.vmdisk.QemuMonitor;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A running guest: losing the leader is a pause to it, and its disk grows under it.
class GuestTest {
    private static final Duration QUICK = Duration.ofSeconds(30);
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

    @Test
    void aKilledLeaderIsAPauseAndNoError(@TempDir Path guestDir) throws Exception {
        cluster.cistern("volume", "create", "disk", "64MiB");
        Path socket = cluster.attach("disk");
        try (Guest guest = Guest.boot(guestDir, "disk", socket)) {
            CompletableFuture<Programs.Result> fio = guest.start(Fio.inGuest(16, 250), Fio.LIMIT);
            await().atMost(Duration.ofSeconds(60))
                    .ignoreExceptions()
                    .until(() -> cluster.volumeUsed("disk") >= 1 << 20);
            String leader = cluster.leaderOf("disk");
            cluster.kill(leader);
            cluster.leaderOf("disk", leader);
            cluster.startNodes();

            fio.get(Fio.LIMIT.toSeconds(), TimeUnit.SECONDS).succeeded();
            assertThat(guest.diskErrors()).isEmpty();
        }
        cluster.awaitHealth("OK");
        cluster.cistern("detach", "disk");
    }

    @Test
    void theGuestSeesItsDiskGrow(@TempDir Path guestDir) throws Exception {
        cluster.cistern("volume", "create", "growing", "32MiB");
        Path socket = cluster.attach("growing");
        try (Guest guest = Guest.boot(guestDir, "growing", socket)) {
            assertThat(sizeInGuest(guest)).isEqualTo(32L << 20);
            guest.run(Fio.inGuest(4, 100_000), Fio.LIMIT).succeeded();

            cluster.cistern("volume", "resize", "growing", "48MiB");
            try (QemuMonitor monitor = QemuMonitor.connect(guest.monitor())) {
                assertThat(monitor.grow(socket, 48L << 20, QUICK)).isEqualTo(1);
            }
            await().atMost(QUICK)
                    .untilAsserted(() -> assertThat(sizeInGuest(guest)).isEqualTo(48L << 20));

            guest.run(
                            "echo tail > /run/t && dd if=/run/t of=/dev/vda bs=1M seek=47 conv=notrunc,fsync"
                                    + " && dd if=/dev/vda bs=1M skip=47 count=1 | head -c 4 | grep tail",
                            QUICK)
                    .succeeded();
            assertThat(guest.diskErrors()).isEmpty();
        }
        cluster.cistern("detach", "growing");
    }

    private static long sizeInGuest(Guest guest) throws IOException {
        return SECTOR
                * Long.parseLong(
                        guest.run("cat /sys/block/vda/size", QUICK).succeeded().output().strip());
    }
}
