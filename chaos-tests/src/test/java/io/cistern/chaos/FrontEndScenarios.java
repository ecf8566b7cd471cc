package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.cistern.chaos.RealScenarios.Outcome;
import io.cistern.chaos.check.Op;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;

/// Those of [RealScenarios] whose clients are not of NBD alone.
final class FrontEndScenarios {
    private static final int FEW_CLIENTS = 3;
    private static final int LOST_ANSWERS = 20;
    private static final int CUTS = 6;

    /// As long as the most impatient of usual initiators bears the silence of a path.
    private static final Duration SILENCE = Duration.ofSeconds(10);

    private final RealScenarios rig;

    private interface Faults {
        /// @return how many there were
        int strike(Volumes volumes, Map<String, HistoryLoad> loads) throws Exception;
    }

    private record Volumes(String nbd, String iscsi, String share) {}

    FrontEndScenarios(RealScenarios rig) {
        this.rig = rig;
    }

    // ---- three front ends

    /// Loads over NBD, iSCSI and NFS at a time, while leaders die, and then all nodes.
    Outcome nodesKilled() throws Exception {
        return underLoads((volumes, loads) -> {
            LocalCluster running = rig.cluster();
            for (int i = 0; i < 2; i++) {
                String leader = running.leaderOf(i == 0 ? volumes.iscsi : volumes.nbd);
                running.kill(leader);
                running.leaderOf(volumes.nbd, leader);
                progress(Map.of("nbd", loads.get("nbd")));
                running.startNodes();
                progress(loads);
            }
            long from = System.nanoTime();
            running.killAll();
            try (Prober prober = new Prober(portals(), volumes.iscsi)) {
                running.startNodes();
                System.out.println("all nodes were back after " + since(from));
                loads.forEach((name, load) -> {
                    load.awaitProgress(RealScenarios.PROGRESS);
                    System.out.println(name + " went on " + since(from) + " after all had died");
                });
                assertThat(prober.unknown).as("told that the target does not exist").hasValue(0);
            }
            return 5;
        });
    }

    private static String since(long from) {
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - from) + " ms";
    }

    /// Logs in at all portals over and over. One that is being started may refuse for a while, but
    /// not say that there is no such target: many initiators give up then.
    private static final class Prober implements AutoCloseable {
        private final Thread thread;
        final AtomicInteger unknown = new AtomicInteger();

        Prober(List<String> portals, String volume) {
            thread = Thread.ofVirtual().name("prober").start(() -> probe(portals, volume));
        }

        private void probe(List<String> portals, String volume) {
            for (int i = 0; !Thread.currentThread().isInterrupted(); i++) {
                try {
                    probe(portals.get(i % portals.size()), volume);
                    Thread.sleep(20);
                } catch (InterruptedException closed) {
                    return;
                }
            }
        }

        private void probe(String portal, String volume) {
            try {
                IscsiPath.open(portal, volume, "prober", SILENCE).close();
            } catch (IscsiPath.RefusedException e) {
                if (e.status() == IscsiPath.NO_SUCH_TARGET) {
                    System.out.println(portal + ": " + e.getMessage());
                    unknown.incrementAndGet();
                }
            } catch (IOException notYet) {
                // it is being started
            }
        }

        @Override
        public void close() throws InterruptedException {
            thread.interrupt();
            thread.join();
        }
    }

    /// Directions between nodes are cut at random, down to no majority, and mended again.
    Outcome cutOff() throws Exception {
        return underLoads((volumes, loads) -> {
            Random random = rig.random();
            int cut = 0;
            try (Cuts cuts = new Cuts(rig.dir())) {
                for (int i = 0; i < CUTS; i++) {
                    int directions = 1 + random.nextInt(63);
                    for (int bit = 0; bit < 6; bit++) {
                        int from = bit / 2;
                        int to = (from + 1 + bit % 2) % 3;
                        if ((directions >> bit & 1) == 1) {
                            cuts.cut(Cuts.address("n" + from), Cuts.address("n" + to));
                            cut++;
                        }
                    }
                    TimeUnit.MILLISECONDS.sleep(2000 + random.nextInt(6000));
                    cuts.heal();
                    progress(loads);
                }
            }
            return cut;
        });
    }

    private Outcome underLoads(Faults strikes) throws Exception {
        LocalCluster running = rig.cluster();
        Volumes volumes = new Volumes(rig.newVolume(), rig.newVolume(), rig.newVolume());
        String nbd = volumes.nbd;
        String iscsi = volumes.iscsi;
        String share = volumes.share;
        running.cistern("volume", "create", nbd, "8MiB");
        running.cistern("volume", "create", iscsi, "8MiB");
        running.cistern("iscsi", "export", iscsi);
        running.cistern("share", "create", share, "--allow", "127.0.0.0/8:no_root_squash");
        Path socket = running.attach(nbd);
        Path bridged = rig.dir().resolve(iscsi + ".sock");
        List<String> bridge =
                List.of(
                        "qemu-nbd",
                        "--format=raw",
                        "--cache=none",
                        "--persistent",
                        "--shared=" + 2 * FEW_CLIENTS,
                        "--export-name=" + iscsi,
                        "--socket=" + bridged,
                        "iscsi://" + running.portal(0) + "/iqn.2026-11.io.cistern:" + iscsi + "/0");
        Outcome outcome;
        try (Programs.Running initiator = Programs.start(rig.dir(), bridge);
                HistoryLoad overNbd =
                        few(() -> Nbd.connect(socket, nbd), () -> running.driver().pid());
                HistoryLoad overIscsi =
                        few(() -> Blocks.withoutTrims(Nbd.connect(bridged, iscsi)), () -> 0);
                HistoryLoad overNfs = few(() -> running.openFile(share, "file"), () -> 0)) {
            Map<String, HistoryLoad> loads = new LinkedHashMap<>();
            loads.put("nbd", overNbd);
            loads.put("iscsi", overIscsi);
            loads.put("nfs", overNfs);
            progress(loads);
            long from = System.nanoTime();
            int struck = strikes.strike(volumes, loads);
            running.awaitHealth("OK");
            progress(loads);
            assertThat(initiator.alive()).as("the initiator").isTrue();
            outcome = outcome(struck, loads, from);
        }
        running.cistern("verify", nbd);
        running.cistern("verify", iscsi);
        running.cistern("detach", nbd);
        running.cistern("volume", "delete", nbd);
        running.cistern("iscsi", "unexport", iscsi);
        running.cistern("volume", "delete", iscsi);
        running.cistern("share", "delete", share);
        return outcome;
    }

    private static Outcome outcome(int struck, Map<String, HistoryLoad> loads, long from)
            throws IOException, InterruptedException {
        long operations = 0;
        Duration stall = Duration.ZERO;
        List<String> wrong = new ArrayList<>();
        for (Map.Entry<String, HistoryLoad> entry : loads.entrySet()) {
            HistoryLoad load = entry.getValue();
            load.stop();
            for (String why : load.check(load.access(), Op.NEVER)) {
                wrong.add(entry.getKey() + ": " + why);
            }
            operations += load.operations();
            HistoryLoad.Stall worst = load.worst();
            System.out.printf(
                    "%s: longest answer %d ms, to a request of type %d, %d ms after the beginning%n",
                    entry.getKey(),
                    worst.took().toMillis(),
                    worst.type(),
                    TimeUnit.NANOSECONDS.toMillis(worst.asked() - from));
            stall = stall.compareTo(worst.took()) < 0 ? worst.took() : stall;
        }
        assertThat(wrong).isEmpty();
        return new Outcome(struck, operations, stall);
    }

    private HistoryLoad few(Blocks.Way way, LongSupplier life) {
        return new HistoryLoad(way, life, FEW_CLIENTS, rig.random().nextLong());
    }

    private static void progress(Map<String, HistoryLoad> loads) {
        loads.values().forEach(load -> load.awaitProgress(RealScenarios.PROGRESS));
    }

    // ---- several portals

    private List<String> portals() throws IOException, InterruptedException {
        List<String> all = new ArrayList<>();
        for (int node = 0; node < LocalCluster.NODES; node++) {
            all.add(rig.cluster().portal(node));
        }
        return all;
    }

    private String export() throws IOException, InterruptedException {
        String volume = rig.newVolume();
        rig.cluster().cistern("volume", "create", volume, "8MiB");
        rig.cluster().cistern("iscsi", "export", volume);
        return volume;
    }

    private void unexport(String volume) throws IOException, InterruptedException {
        rig.cluster().cistern("verify", volume);
        rig.cluster().cistern("iscsi", "unexport", volume);
        rig.cluster().cistern("volume", "delete", volume);
    }

    /// Initiators at all portals raise one counter by COMPARE AND WRITE while answers are lost, the
    /// leader dies, and a portal is frozen.
    Outcome storm() throws Exception {
        LocalCluster running = rig.cluster();
        String volume = export();
        Outcome outcome;
        try (PortalStorm storm = new PortalStorm(portals(), volume)) {
            int lost = 0;
            for (int i = 0; i < 2; i++) {
                String leader = running.leaderOf(volume);
                String other = RealScenarios.others(leader).getFirst();
                counts(storm);
                for (int port : List.of(running.wirePort(leader), running.portalPort(leader))) {
                    rig.faults().loseAnswers(leader, port, 23, LOST_ANSWERS);
                    await().atMost(RealScenarios.DEATH)
                            .until(() -> rig.faults().struck(leader) >= LOST_ANSWERS);
                    lost += rig.faults().end(leader);
                }
                long pid = running.pid(other);
                running.freeze(pid);
                TimeUnit.SECONDS.sleep(2);
                running.thaw(pid);
                running.kill(leader);
                running.leaderOf(volume, leader);
                counts(storm);
                running.startNodes();
            }
            running.awaitHealth("OK");
            counts(storm);
            storm.stop();
            assertThat(storm.check()).isEmpty();
            outcome = new Outcome(4 + lost, storm.operations(), storm.worstStall());
        }
        unexport(volume);
        return outcome;
    }

    private static void counts(PortalStorm storm) {
        long before = storm.raised();
        await().atMost(RealScenarios.PROGRESS).until(() -> storm.raised() > before + 20);
    }

    /// The node of the path that an initiator uses is stopped for 30 s, and goes on with what it
    /// had been sent. The initiator has given the path up after [#SILENCE] and goes on over others:
    /// once one of them has answered, nothing that was sent over the first may happen.
    Outcome portalFrozen() throws Exception {
        LocalCluster running = rig.cluster();
        String volume = export();
        List<String> portals = portals();
        AtomicInteger path = new AtomicInteger();
        // All clients are one initiator: they change their path together.
        Blocks.Way way =
                () ->
                        IscsiPath.open(
                                portals.get(path.get() % portals.size()), volume, "host", SILENCE);
        Outcome outcome;
        try (HistoryLoad load =
                new HistoryLoad(way, path::get, HistoryLoad.CLIENTS, rig.random().nextLong())) {
            int frozen = 0;
            for (boolean leads : new boolean[] {false, true}) {
                load.awaitProgress(RealScenarios.PROGRESS);
                String leader = running.leaderOf(volume);
                String node = leads ? leader : RealScenarios.others(leader).getFirst();
                path.set(Integer.parseInt(node.substring(1)));
                load.reconnect();
                load.awaitProgress(RealScenarios.PROGRESS);
                TimeUnit.SECONDS.sleep(2);
                long unknown = load.unknown();
                long pid = running.pid(node);
                running.freeze(pid);
                TimeUnit.NANOSECONDS.sleep(SILENCE.toNanos());
                path.incrementAndGet();
                load.awaitProgress(RealScenarios.PROGRESS);
                assertThat(load.unknown()).as("requests in flight").isGreaterThan(unknown);
                TimeUnit.SECONDS.sleep(30 - SILENCE.toSeconds());
                running.thaw(pid);
                TimeUnit.SECONDS.sleep(5);
                running.awaitHealth("OK");
                frozen++;
            }
            load.awaitProgress(RealScenarios.PROGRESS);
            load.stop();
            assertThat(load.check(load.access(), Op.NEVER)).isEmpty();
            outcome = new Outcome(frozen, load.operations(), load.worstStall());
        }
        unexport(volume);
        return outcome;
    }
}
