package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.cistern.chaos.check.Op;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.node.RemoteCluster;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Faults of real processes under a load whose history is checked. One cluster serves all of them;
/// each ends with everything healthy, going on, and all replicas equal. A cluster that a scenario
/// failed on is not used again.
final class RealScenarios implements AutoCloseable {
    static final Duration PROGRESS = Duration.ofSeconds(30);
    static final Duration DEATH = Duration.ofSeconds(90);
    private static final int LOST_ANSWERS = 40;

    private static final int OVERWRITES = 4;

    /// Between a node's wish to sync its log and the sync: what is acknowledged too early is lost.
    private static final Duration SLOW_SYNC = Duration.ofMillis(40);

    private static final List<String> NAMES = List.of("n0", "n1", "n2");

    private final Path root;
    private final Random random;
    private final Map<String, Scenario> all = new LinkedHashMap<>();
    private Path dir;
    private @Nullable LocalCluster cluster;
    private @Nullable NodeFaults faults;
    private @Nullable PowerCut powerCut;
    private int clusters;
    private int volumes;

    /// @param operations answered, all of which were checked
    /// @param stall the longest that one took
    record Outcome(int faults, long operations, Duration stall) {}

    /// What nodes lose with their power, unless it was fsynced.
    private enum Power {
        NONE,
        CONTENTS,
        NAMES
    }

    /// One scenario.
    interface Scenario {
        Outcome run() throws Exception;
    }

    private interface Faults {
        /// @return how many there were
        int strike(String volume, HistoryLoad load) throws Exception;
    }

    RealScenarios(Path root, long seed) {
        this.root = root;
        this.dir = root;
        this.random = new Random(seed);
        System.out.println("real processes, seed " + seed);
        all.put("leader-killed", () -> underLoad(this::leaderKilled));
        all.put("one-away-another-restarts", () -> underLoad(this::oneAwayWhileAnotherRestarts));
        all.put("all-killed", () -> underLoad(this::allKilled));
        all.put("leader-frozen-30s", () -> underLoad(this::leaderFrozen));
        all.put("asymmetric-cuts", () -> underLoad(this::asymmetricCuts));
        all.put("fsync-fails", () -> underLoad(this::fsyncFails));
        all.put("apply-fails", () -> underLoad(this::applyFails));
        all.put("log-disk-full", () -> underLoad(this::logDiskFull));
        all.put("writes-lost-or-misdirected", () -> underLoad(this::writesGoWrong));
        all.put("clock-jumps", () -> underLoad(this::clockJumps));
        all.put("gateway-killed", () -> underLoad(this::gatewayKilled));
        all.put("zombie-gateway", this::zombieGateway);
        all.put("shared-counter-and-snapshots", this::countersAndSnapshots);
        all.put("bit-flip-in-log-with-peer-down", () -> underLoad(this::bitFlipWithPeerDown));
        all.put("disk-wiped-leader-killed", () -> underLoad(this::diskWiped));
        all.put("pool-full", this::poolFull);
        all.put("power-cut", this::powerCut);
        all.put("torn-last-entry", this::tornLastEntry);
        all.put("names-lost", this::namesLost);
        all.put("sectors-of-one-block", this::sectorsOfOneBlock);
        all.put("away-past-the-purge", this::awayPastThePurge);
        all.put("membership-churn", this::membershipChurn);
        FrontEndScenarios frontEnds = new FrontEndScenarios(this);
        all.put("all-front-ends", frontEnds::nodesKilled);
        all.put("front-ends-cut-off", frontEnds::cutOff);
        all.put("iscsi-compare-and-write-storm", frontEnds::storm);
        all.put("iscsi-portal-frozen", frontEnds::portalFrozen);
    }

    /// In the order in which they are run.
    List<String> names() {
        return List.copyOf(all.keySet());
    }

    Outcome run(String name) throws Exception {
        Scenario scenario = all.get(name);
        if (scenario == null) {
            throw new IllegalArgumentException("no scenario " + name);
        }
        return scenario.run();
    }

    // ---- the cluster

    LocalCluster cluster() throws IOException, InterruptedException {
        LocalCluster running = cluster;
        return running == null ? start("0", Power.NONE) : running;
    }

    private LocalCluster start(String diskSize, Power power)
            throws IOException, InterruptedException {
        dir = Files.createDirectory(root.resolve("c" + clusters++));
        NodeFaults made = new NodeFaults(dir);
        faults = made;
        PowerCut cut =
                power == Power.NONE ? null : new PowerCut(dir, SLOW_SYNC, power == Power.NAMES);
        powerCut = cut;
        Map<String, String> environment = cut == null ? made.environment() : cut.environment();
        LocalCluster running = LocalCluster.startApart(dir, environment, diskSize);
        cluster = running;
        return running;
    }

    /// A name that no volume has had.
    String newVolume() {
        return "chaos" + volumes++;
    }

    Random random() {
        return random;
    }

    /// Of the cluster that runs.
    Path dir() {
        return dir;
    }

    /// Runs a scenario on a cluster of its own.
    private Outcome apart(String diskSize, Power power, Faults strikes) throws Exception {
        close();
        start(diskSize, power);
        Outcome outcome = underLoad(strikes);
        close();
        return outcome;
    }

    NodeFaults faults() {
        NodeFaults made = faults;
        assertThat(made).isNotNull();
        return made;
    }

    /// Gives the cluster up; its files stay until the end.
    void giveUp() throws IOException, InterruptedException {
        LocalCluster running = cluster;
        if (running != null) {
            faults().endAll();
            System.out.println(running.logs());
            running.close();
            cluster = null;
        }
    }

    @Override
    public void close() throws IOException, InterruptedException {
        LocalCluster running = cluster;
        if (running != null) {
            running.close();
            cluster = null;
        }
    }

    static List<String> others(String node) {
        return NAMES.stream().filter(n -> !n.equals(node)).toList();
    }

    /// Waits until the node's process has ended by itself, and starts it again.
    private void awaitHalt(long pid, String node) throws IOException, InterruptedException {
        await().atMost(DEATH)
                .pollInterval(Duration.ofMillis(100))
                .until(() -> !ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false));
        String said = Files.readString(cluster().home().resolve(node).resolve("node.out"));
        assertThat(said).as("why %s has ended", node).contains("HALT");
    }

    // ---- the load

    private Outcome underLoad(Faults strikes) throws Exception {
        return underLoad(HistoryLoad.Area.WIDE, strikes);
    }

    private Outcome underLoad(HistoryLoad.Area area, Faults strikes) throws Exception {
        LocalCluster running = cluster();
        String volume = newVolume();
        running.cistern("volume", "create", volume, "8MiB");
        Path socket = running.attach(volume);
        int struck;
        Outcome outcome;
        try (HistoryLoad load =
                new HistoryLoad(
                        () -> Nbd.connect(socket, volume),
                        () -> running.driver().pid(),
                        area,
                        HistoryLoad.CLIENTS,
                        random.nextLong())) {
            load.awaitProgress(PROGRESS);
            struck = strikes.strike(volume, load);
            running.awaitHealth("OK");
            load.awaitProgress(PROGRESS);
            load.stop();
            assertThat(load.check(load.access(), Op.NEVER)).isEmpty();
            outcome = new Outcome(struck, load.operations(), load.worstStall());
        }
        running.cistern("verify", volume);
        running.cistern("detach", volume);
        running.cistern("volume", "delete", volume);
        return outcome;
    }

    // ---- nodes

    private int leaderKilled(String volume, HistoryLoad load) throws Exception {
        for (int i = 0; i < 3; i++) {
            String leader = cluster().leaderOf(volume);
            cluster().kill(leader);
            cluster().leaderOf(volume, leader);
            load.awaitProgress(PROGRESS);
            cluster().startNodes();
        }
        return 3;
    }

    /// A follower hears nothing while another one restarts: what the leader has acknowledged with
    /// the one must not be undone by the other two.
    private int oneAwayWhileAnotherRestarts(String volume, HistoryLoad load) throws Exception {
        for (int i = 0; i < 2; i++) {
            List<String> others = others(cluster().leaderOf(volume));
            long away = cluster().pid(others.getFirst());
            cluster().freeze(away);
            cluster().kill(others.getLast());
            cluster().thaw(away);
            cluster().startNodes();
            load.awaitProgress(PROGRESS);
        }
        return 4;
    }

    private int allKilled(String volume, HistoryLoad load) throws Exception {
        for (int i = 0; i < 2; i++) {
            TimeUnit.SECONDS.sleep(3);
            cluster().killAll();
            cluster().startNodes();
            load.awaitProgress(PROGRESS);
        }
        return 6;
    }

    /// The leader stops for 30 s, in which another one is elected, and goes on as if it led.
    private int leaderFrozen(String volume, HistoryLoad load) throws Exception {
        String leader = cluster().leaderOf(volume);
        long pid = cluster().pid(leader);
        cluster().freeze(pid);
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        cluster().leaderOf(volume, leader);
        load.awaitProgress(PROGRESS);
        TimeUnit.NANOSECONDS.sleep(until - System.nanoTime());
        cluster().thaw(pid);
        return 1;
    }

    // ---- the network

    /// What one sends to another is lost, and not what comes back. As long as some majority still
    /// hears each other the load has to go on.
    private int asymmetricCuts(String volume, HistoryLoad load) throws Exception {
        int cut = 0;
        try (Cuts cuts = new Cuts(dir)) {
            for (int kind = 0; kind < 6; kind++) {
                String leader = cluster().leaderOf(volume);
                List<String> others = others(leader);
                String a = Cuts.address(others.getFirst());
                String b = Cuts.address(others.getLast());
                String l = Cuts.address(leader);
                switch (kind) {
                    case 0 -> cuts.cut(l, a);
                    case 1 -> cuts.cut(a, l);
                    case 2 -> cuts.cut(a, b);
                    case 3 -> {
                        cuts.cut(l, a);
                        cuts.cut(l, b);
                    }
                    case 4 -> {
                        cuts.cut(a, l);
                        cuts.cut(b, l);
                    }
                    default -> {
                        cuts.cut(l, a);
                        cuts.cut(a, b);
                        cuts.cut(b, l);
                    }
                }
                cut++;
                if (kind < 5) {
                    load.awaitProgress(PROGRESS);
                }
                TimeUnit.SECONDS.sleep(4);
                cuts.heal();
                load.awaitProgress(PROGRESS);
            }
        }
        return cut;
    }

    // ---- disks

    /// A failed fsync of log, data or map ends the process: never is it tried again.
    private int fsyncFails(String volume, HistoryLoad load) throws Exception {
        int struck = 0;
        for (String what : List.of("/raft/", "/data/", "/map/")) {
            String leader = cluster().leaderOf(volume);
            String node = struck % 2 == 0 ? leader : others(leader).getFirst();
            halts(node, NodeFaults.Kind.FSYNC_FAILS, what, NodeFaults.EIO, 1);
            load.awaitProgress(PROGRESS);
            cluster().startNodes();
            cluster().awaitHealth("OK");
            struck++;
        }
        return struck;
    }

    /// A write that one replica cannot apply ends its process.
    private int applyFails(String volume, HistoryLoad load) throws Exception {
        String leader = cluster().leaderOf(volume);
        for (String node : List.of(leader, others(leader).getLast())) {
            halts(node, NodeFaults.Kind.WRITE_FAILS, "/data/", NodeFaults.EIO, 1);
            load.awaitProgress(PROGRESS);
            cluster().startNodes();
            cluster().awaitHealth("OK");
        }
        return 2;
    }

    private int logDiskFull(String volume, HistoryLoad load) throws Exception {
        String leader = cluster().leaderOf(volume);
        List<String> full = List.of(leader, others(leader).getLast());
        halts(leader, NodeFaults.Kind.WRITE_FAILS, "/raft/", NodeFaults.ENOSPC, 1);
        load.awaitProgress(PROGRESS);
        cluster().startNodes();
        cluster().awaitHealth("OK");
        // A majority has no space: nothing goes on until it has.
        List<Long> pids = List.of(cluster().pid(full.getFirst()), cluster().pid(full.getLast()));
        for (String node : full) {
            faults().strike(
                            node,
                            NodeFaults.Kind.WRITE_FAILS,
                            "/raft/",
                            NodeFaults.ENOSPC,
                            NodeFaults.FOREVER);
        }
        for (int i = 0; i < full.size(); i++) {
            awaitHalt(pids.get(i), full.get(i));
        }
        TimeUnit.SECONDS.sleep(3);
        full.forEach(node -> faults().end(node));
        cluster().startNodes();
        return 3;
    }

    private void halts(String node, NodeFaults.Kind kind, String path, int error, int times)
            throws Exception {
        long pid = cluster().pid(node);
        faults().strike(node, kind, path, error, times);
        awaitHalt(pid, node);
        assertThat(faults().end(node)).isPositive();
    }

    /// One replica's disk loses writes, or puts them into the block beside; both are told as done.
    /// Nobody reads a wrong byte, and `verify` mends what nobody has read.
    private int writesGoWrong(String volume, HistoryLoad load) throws Exception {
        int struck = 0;
        String leader = cluster().leaderOf(volume);
        for (NodeFaults.Kind kind :
                List.of(NodeFaults.Kind.WRITE_LOST, NodeFaults.Kind.WRITE_MISDIRECTED)) {
            String node = struck == 0 ? leader : others(leader).getFirst();
            faults().strike(node, kind, "/data/", 0, 40);
            await().atMost(DEATH).until(() -> faults().struck(node) >= 40);
            struck += faults().end(node);
            load.awaitProgress(PROGRESS);
            cluster().command("verify", volume);
        }
        return struck;
    }

    /// A bit of one replica's log flips that holds what was acknowledged with the leader's help
    /// alone, and the leader is gone at first: the one that has none of it and the one whose log is
    /// damaged must not go on without.
    private int bitFlipWithPeerDown(String volume, HistoryLoad load) throws Exception {
        String leader = cluster().leaderOf(volume);
        String behind = others(leader).getFirst();
        String damaged = others(leader).getLast();
        cluster().kill(behind);
        load.awaitProgress(PROGRESS);
        TimeUnit.SECONDS.sleep(2);
        cluster().kill(damaged);
        cluster().kill(leader);
        BitFlipTest.flip(cluster().disk(damaged), ".*/raft/g1/.*/log_.*", 1, random);
        try (Programs.Running one = cluster().runNode(behind);
                Programs.Running other = cluster().runNode(damaged)) {
            TimeUnit.SECONDS.sleep(15);
            assertThat(one.alive()).as("%s runs", behind).isTrue();
            System.out.println(damaged + " runs: " + other.alive());
        }
        cluster().startNodes();
        return 3;
    }

    /// A disk is wiped, and the leader dies while it is filled again.
    private int diskWiped(String volume, HistoryLoad load) throws Exception {
        String wiped = others(cluster().leaderOf(volume)).getFirst();
        cluster().kill(wiped);
        wipe(wiped);
        try (Programs.Running filled = cluster().runNode(wiped)) {
            TimeUnit.SECONDS.sleep(4);
            cluster().kill(cluster().leaderOf(volume));
            TimeUnit.SECONDS.sleep(2);
            assertThat(filled.alive()).as("%s runs", wiped).isTrue();
        }
        cluster().startNodes();
        return 2;
    }

    /// Everything is written until there is no space, leaders die while there is none, and goes on
    /// once some is freed.
    private Outcome poolFull() throws Exception {
        return apart(
                "256MiB",
                Power.NONE,
                (volume, load) -> {
                    cluster().cistern("volume", "create", "fill", "1GiB");
                    try (RemoteCluster client =
                                    RemoteCluster.connect(cluster().client(), "filler");
                            VolumeDevice fill =
                                    client.open("fill", AttachMode.EXCLUSIVE, "filler")) {
                        load.tolerate(NodeFaults.ENOSPC);
                        Filler filler = new Filler(fill);
                        long full = filler.fill();
                        assertThat(full).as("MiB until full").isBetween(100L, 300L);
                        for (int i = 0; i < 2; i++) {
                            String leader = cluster().leaderOf("fill");
                            cluster().kill(leader);
                            cluster().leaderOf("fill", leader);
                            filler.overwrite(8 * i, 8);
                            cluster().startNodes();
                            cluster().awaitHealth("OK");
                        }
                        filler.check();
                        load.awaitProgress(PROGRESS);
                        filler.discard(0, full / 2);
                        await().atMost(DEATH).ignoreExceptions().until(() -> filler.fill() > 8);
                        filler.check();
                        filler.discard(0, 1024);
                    }
                    cluster().cistern("verify", "fill");
                    cluster().cistern("volume", "delete", "fill");
                    load.tolerate(0);
                    return 3;
                });
    }

    /// All nodes lose power at once, and what they had not fsynced: torn last entries on any number
    /// of replicas among it.
    private Outcome powerCut() throws Exception {
        return apart(
                "0",
                Power.CONTENTS,
                (volume, load) -> {
                    PowerCut power = powerCut;
                    assertThat(power).isNotNull();
                    int lost = 0;
                    for (int cut = 0; cut < 3; cut++) {
                        TimeUnit.SECONDS.sleep(3);
                        cluster().killAll();
                        lost += power.forget(random, cluster().home().resolve("n"));
                        cluster().startNodes();
                        load.awaitProgress(PROGRESS);
                    }
                    assertThat(lost).as("writes that were lost").isPositive();
                    return 3;
                });
    }

    /// All nodes die, and what one, two and then all three had not fsynced is lost, the last entry
    /// of a log in part.
    private Outcome tornLastEntry() throws Exception {
        return apart(
                "0",
                Power.CONTENTS,
                (volume, load) -> {
                    PowerCut power = powerCut;
                    assertThat(power).isNotNull();
                    int[] lost = new int[NAMES.size()];
                    for (int cut = 0; cut < 6; cut++) {
                        TimeUnit.SECONDS.sleep(2);
                        cluster().killAll();
                        List<String> torn = new ArrayList<>(NAMES);
                        Collections.shuffle(torn, random);
                        for (String node : torn.subList(0, 1 + cut / 2)) {
                            lost[cut / 2] += power.forget(random, cluster().disk(node));
                        }
                        cluster().startNodes();
                        load.awaitProgress(PROGRESS);
                    }
                    System.out.println(
                            "writes lost on one, two, three nodes: "
                                    + Arrays.toString(lost)
                                    + "; torn entries cut off: "
                                    + said("a write that did not complete"));
                    assertThat(lost).as("writes that were lost").doesNotContain(0);
                    return 6;
                });
    }

    /// All nodes lose power, and what they had not fsynced, names of files among it; every other
    /// time while a disk that was emptied is filled again.
    private Outcome namesLost() throws Exception {
        return apart(
                "0",
                Power.NAMES,
                (volume, load) -> {
                    LocalCluster running = cluster();
                    PowerCut power = powerCut;
                    assertThat(power).isNotNull();
                    for (int cut = 0; cut < 4; cut++) {
                        if (cut % 2 == 0) {
                            TimeUnit.MILLISECONDS.sleep(random.nextInt(3000));
                        } else {
                            String emptied = others(running.leaderOf(volume)).getFirst();
                            running.kill(emptied);
                            power.forget(random, running.disk(emptied));
                            wipe(emptied);
                            try (Programs.Running starting = running.startNodesSoon()) {
                                TimeUnit.MILLISECONDS.sleep(1000 + random.nextInt(8000));
                                System.out.println("still starting: " + starting.alive());
                            }
                        }
                        running.killAll();
                        power.forget(random, running.home().resolve("n"));
                        running.startNodes();
                        load.awaitProgress(DEATH);
                        running.awaitHealth("OK");
                    }
                    return 6;
                });
    }

    /// How many lines of the nodes' logs say this.
    private long said(String what) throws IOException, InterruptedException {
        long lines = 0;
        for (String node : NAMES) {
            Path log = cluster().home().resolve(node).resolve("node.log");
            lines += Files.readAllLines(log).stream().filter(l -> l.contains(what)).count();
        }
        return lines;
    }

    /// Everybody writes parts of one block of 4 KiB while the leader, and then every node, dies.
    private Outcome sectorsOfOneBlock() throws Exception {
        return underLoad(
                HistoryLoad.Area.ONE_BLOCK,
                (volume, load) -> leaderKilled(volume, load) + allKilled(volume, load));
    }

    // ---- members

    /// A replica is away until the logs of the others begin behind what it has, while snapshots are
    /// made and deleted. It comes back with the leader's disk slow, more snapshots are deleted, a
    /// fourth node joins, and the leader dies.
    private Outcome awayPastThePurge() throws Exception {
        return apart(
                "0",
                Power.NONE,
                (volume, load) -> {
                    LocalCluster running = cluster();
                    String leader = running.leaderOf(volume);
                    String away = others(leader).getFirst();
                    running.cistern("snapshot", "create", volume + "@before");
                    running.kill(away);
                    running.cistern("volume", "create", "fill", "256MiB");
                    try (RemoteCluster client = RemoteCluster.connect(running.client(), "filler");
                            VolumeDevice fill =
                                    client.open("fill", AttachMode.EXCLUSIVE, "filler")) {
                        Filler filler = new Filler(fill);
                        for (int i = 0; i < 3; i++) {
                            filler.fill(40);
                            running.cistern("snapshot", "create", "fill@s" + i);
                            running.cistern("snapshot", "create", volume + "@s" + i);
                            // In all more than the log that is kept for who is away.
                            for (int again = 0; again < OVERWRITES; again++) {
                                filler.overwrite(0, 40);
                            }
                        }
                        running.cistern("snapshot", "delete", volume + "@before");
                        running.cistern("snapshot", "delete", "fill@s0");
                        faults().slowSyncs(leader, Duration.ofMillis(100));
                        try (Programs.Running starting = running.startNodesSoon()) {
                            String token = running.cistern("node", "token").strip();
                            running.cistern("node", "add", "--join", token);
                            for (int i = 1; i < 3; i++) {
                                running.cistern("snapshot", "delete", "fill@s" + i);
                                filler.overwrite(20L * i, 20);
                            }
                            running.cistern("snapshot", "delete", volume + "@s1");
                            load.awaitProgress(PROGRESS);
                            running.kill(leader);
                            faults().end(leader);
                            System.out.println("still starting: " + starting.alive());
                            running.leaderOf(volume, leader);
                        }
                        running.startNodes();
                        running.awaitHealth("OK");
                        running.metrics()
                                .lines()
                                .filter(l -> l.startsWith("cistern_copied_bytes_total"))
                                .forEach(System.out::println);
                        filler.check();
                    }
                    running.cistern("verify", "fill");
                    running.cistern("volume", "delete", "fill");
                    running.cistern("snapshot", "delete", volume + "@s0");
                    running.cistern("snapshot", "delete", volume + "@s2");
                    return 3;
                });
    }

    /// A node joins and another is emptied, a disk is wiped meanwhile, and leaders die; then the
    /// emptied node is removed.
    private Outcome membershipChurn() throws Exception {
        return apart(
                "0",
                Power.NONE,
                (volume, load) -> {
                    LocalCluster running = cluster();
                    running.cistern("cluster", "set", "--rebuild-after", "8s");
                    String token = running.cistern("node", "token").strip();
                    running.cistern("node", "add", "--join", token);
                    String leader = running.leaderOf(volume);
                    String leaves = others(leader).getFirst();
                    String wiped = others(leader).getLast();
                    running.cistern("node", "drain", leaves);
                    running.kill(leader);
                    running.leaderOf(volume, leader);
                    running.startNodes();
                    load.awaitProgress(PROGRESS);
                    running.awaitState(leaves, "DRAINED");
                    running.awaitHealth("OK");
                    // Three are left: one of them loses its disk, and the leader dies while it is
                    // filled.
                    running.kill(wiped);
                    wipe(wiped);
                    try (Programs.Running starting = running.startNodesSoon()) {
                        TimeUnit.SECONDS.sleep(2);
                        leader = running.leaderOf(volume, wiped);
                        running.kill(leader);
                        TimeUnit.SECONDS.sleep(2);
                        System.out.println("still starting: " + starting.alive());
                    }
                    running.startNodes();
                    load.awaitProgress(DEATH);
                    running.awaitHealth("OK");
                    running.cistern("node", "remove", leaves);
                    running.awaitHealth("OK");
                    return 4;
                });
    }

    private void wipe(String node) throws IOException, InterruptedException {
        try (Stream<Path> files = Files.walk(cluster().disk(node))) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    // ---- clocks

    /// Wall clocks jump, forth and back, on all nodes differently; nothing may depend on them, nor
    /// on what they said before: a comparison holds checkpoints back for some seconds.
    private int clockJumps(String volume, HistoryLoad load) throws Exception {
        List<Duration> jumps =
                List.of(
                        Duration.ofDays(3),
                        Duration.ofDays(-400),
                        Duration.ofHours(1),
                        Duration.ofSeconds(-30));
        int jumped = 0;
        for (Duration jump : jumps) {
            cluster().cistern("verify", volume);
            String leader = cluster().leaderOf(volume);
            faults().clock(leader, jump);
            faults().clock(others(leader).getFirst(), jump.negated());
            jumped += 2;
            TimeUnit.SECONDS.sleep(3);
            load.awaitProgress(PROGRESS);
            List<Long> before = checkpoints();
            await().atMost(DEATH)
                    .ignoreExceptions()
                    .untilAsserted(() -> {
                        List<Long> now = checkpoints();
                        assertThat(now).hasSameSizeAs(before);
                        for (int i = 0; i < now.size(); i++) {
                            assertThat(now.get(i)).isGreaterThan(before.get(i));
                        }
                    });
        }
        String leader = cluster().leaderOf(volume);
        faults().clock(leader, Duration.ofDays(30));
        cluster().cistern("snapshot", "create", volume + "@then");
        String list = cluster().cistern("snapshot", "list", volume, "-o", "json");
        cluster().kill(leader);
        cluster().leaderOf(volume, leader);
        load.awaitProgress(PROGRESS);
        cluster().startNodes();
        cluster().cistern("snapshot", "delete", volume + "@then");
        NAMES.forEach(node -> faults().clock(node, Duration.ZERO));
        System.out.println(list);
        return jumped + 1;
    }

    /// Up to which entry each node's replicas of data have their state durable.
    private List<Long> checkpoints() throws IOException, InterruptedException {
        return cluster()
                .metrics()
                .lines()
                .filter(line -> line.startsWith("cistern_checkpoint_index{"))
                .map(line -> (long) Double.parseDouble(line.substring(line.lastIndexOf(' '))))
                .toList();
    }

    // ---- gateways

    /// The driver is stopped while it has requests in flight, so that they are carried out without
    /// an answer, and killed.
    private int gatewayKilled(String volume, HistoryLoad load) throws Exception {
        for (int i = 0; i < 4; i++) {
            TimeUnit.SECONDS.sleep(3);
            long before = load.unknown();
            long pid = cluster().driver().pid();
            cluster().freeze(pid);
            TimeUnit.MILLISECONDS.sleep(300);
            cluster().killDriver(pid);
            load.awaitProgress(PROGRESS);
            assertThat(load.unknown()).as("requests that were cut off").isGreaterThan(before);
        }
        return 4;
    }

    /// The driver is stopped with requests in flight, another one takes its volume over and uses
    /// it, and the driver goes on: nothing of it takes effect any more.
    private Outcome zombieGateway() throws Exception {
        LocalCluster running = cluster();
        String volume = newVolume();
        running.cistern("volume", "create", volume, "8MiB");
        Path socket = running.attach(volume);
        Outcome outcome;
        try (HistoryLoad load =
                        new HistoryLoad(
                                () -> Nbd.connect(socket, volume),
                                () -> running.driver().pid(),
                                HistoryLoad.CLIENTS,
                                random.nextLong());
                RemoteCluster other = RemoteCluster.connect(running.client(), "other")) {
            load.awaitProgress(PROGRESS);
            TimeUnit.SECONDS.sleep(3);
            long driver = running.driver().pid();
            running.freeze(driver);
            load.mayEnd();
            try (VolumeDevice device = other.open(volume, AttachMode.EXCLUSIVE, "other")) {
                long takenOver = System.nanoTime();
                HistoryLoad.Access access = (offset, into) -> device.read(offset, into).join();
                load.observe(access);
                running.thaw(driver);
                load.awaitEnd(PROGRESS);
                assertThat(load.check(access, takenOver)).isEmpty();
                assertThat(load.unknown()).as("requests in flight").isPositive();
                outcome = new Outcome(2, load.operations(), load.worstStall());
            }
        }
        running.cistern("verify", volume);
        running.command("detach", volume);
        running.cistern("volume", "delete", volume);
        return outcome;
    }

    // ---- several holders

    private Outcome countersAndSnapshots() throws Exception {
        LocalCluster running = cluster();
        String first = "first" + volumes;
        String second = "second" + volumes++;
        running.cistern("volume", "create", first, "8MiB");
        running.cistern("volume", "create", second, "8MiB");
        Outcome outcome;
        try (SharedLoad load = new SharedLoad(running.client(), first, second)) {
            int lost = 0;
            for (int i = 0; i < 2; i++) {
                // What was carried out, and is sent again since nobody heard of it, must count
                // once.
                String leader = running.leaderOf(first);
                faults().loseAnswers(leader, running.wirePort(leader), 23, LOST_ANSWERS);
                await().atMost(DEATH).until(() -> faults().struck(leader) >= LOST_ANSWERS);
                lost += faults().end(leader);
                running.kill(leader);
                running.leaderOf(first, leader);
                TimeUnit.SECONDS.sleep(2);
                running.startNodes();
            }
            running.awaitHealth("OK");
            TimeUnit.SECONDS.sleep(2);
            load.stop();
            assertThat(load.check()).isEmpty();
            outcome = new Outcome(2 + lost, load.operations(), load.worstStall());
            load.deleteSnapshots();
        }
        running.cistern("verify", first);
        running.cistern("verify", second);
        running.cistern("volume", "delete", first);
        running.cistern("volume", "delete", second);
        return outcome;
    }
}
