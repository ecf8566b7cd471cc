package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Faults of real processes under a verified load. One cluster serves all of them; each ends with
/// everything healthy and all replicas equal.
final class RealScenarios implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int WRITES_PER_SECOND = 300;

    private final LocalCluster cluster;
    private final Path dir;
    private int volumes;

    /// @param operations blocks written and read back
    /// @param stall the longest that one took
    record Outcome(int faults, long operations, Duration stall) {}

    private interface Faults {
        int strike(String volume) throws Exception;
    }

    RealScenarios(Path dir) throws IOException, InterruptedException {
        this.dir = dir;
        this.cluster = LocalCluster.start(dir);
    }

    Outcome leaderKilled() throws Exception {
        return underLoad(
                20,
                volume -> {
                    for (int i = 0; i < 3; i++) {
                        String leader = cluster.leaderOf(volume);
                        cluster.kill(leader);
                        cluster.leaderOf(volume, leader);
                        cluster.startNodes();
                    }
                    return 3;
                });
    }

    /// The leader stops for 30 s, in which another one is elected, and goes on as if it led.
    Outcome leaderFrozen() throws Exception {
        return underLoad(
                45,
                volume -> {
                    String leader = cluster.leaderOf(volume);
                    long pid = cluster.pid(leader);
                    cluster.freeze(pid);
                    cluster.leaderOf(volume, leader);
                    TimeUnit.SECONDS.sleep(30);
                    cluster.thaw(pid);
                    return 1;
                });
    }

    /// A follower hears nothing while another one restarts: what the leader has acknowledged with
    /// the one must not be undone by the other two.
    Outcome followerAwayWhileAnotherRestarts() throws Exception {
        return underLoad(
                20,
                volume -> {
                    int faults = 0;
                    for (int i = 0; i < 2; i++) {
                        String leader = cluster.leaderOf(volume);
                        List<String> others =
                                new ArrayList<>(List.of("n0", "n1", "n2"))
                                        .stream().filter(n -> !n.equals(leader)).toList();
                        long away = cluster.pid(others.getFirst());
                        cluster.freeze(away);
                        cluster.kill(others.getLast());
                        cluster.thaw(away);
                        cluster.startNodes();
                        faults += 2;
                    }
                    return faults;
                });
    }

    Outcome allKilled() throws Exception {
        return underLoad(
                20,
                volume -> {
                    cluster.killAll();
                    cluster.startNodes();
                    return 3;
                });
    }

    private Outcome underLoad(int seconds, Faults faults) throws Exception {
        String volume = "chaos" + volumes++;
        int mib = Math.max(8, seconds * WRITES_PER_SECOND * 4 / 1024);
        cluster.cistern("volume", "create", volume, mib + "MiB");
        Path socket = cluster.attach(volume);
        List<String> job = new ArrayList<>(Fio.overNbd(volume, socket, mib, WRITES_PER_SECOND));
        job.add("--output-format=json");
        int struck;
        String output;
        try (Programs.Running fio = Programs.start(dir, job)) {
            TimeUnit.SECONDS.sleep(2);
            struck = faults.strike(volume);
            output = fio.end(Fio.LIMIT).succeeded().output();
        }
        cluster.awaitHealth("OK");
        cluster.cistern("verify", volume);
        cluster.cistern("detach", volume);
        cluster.cistern("volume", "delete", volume);
        JsonNode jobNode =
                JSON.readTree(output.substring(output.indexOf('{'))).path("jobs").path(0);
        long writes = jobNode.path("write").path("total_ios").asLong();
        long reads = jobNode.path("read").path("total_ios").asLong();
        assertThat(writes).isPositive();
        long worst =
                Math.max(
                        jobNode.path("write").path("clat_ns").path("max").asLong(),
                        jobNode.path("read").path("clat_ns").path("max").asLong());
        return new Outcome(struck, writes + reads, Duration.ofNanos(worst));
    }

    @Override
    public void close() throws IOException, InterruptedException {
        cluster.close();
    }
}
