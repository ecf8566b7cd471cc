package io.cistern.server;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.FileTrees;
import io.cistern.server.api.RestAdmin;
import io.cistern.server.api.RestClient;
import io.cistern.server.config.Addresses;
import io.cistern.server.config.ConfigFile;
import io.cistern.server.config.ServerConfig;
import io.cistern.server.config.ServerConfig.LogConfig;
import io.cistern.server.local.LocalCluster;
import io.cistern.server.local.LocalHome;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.vmdisk.ClusterVolumeOpener;
import io.cistern.vmdisk.DriverClient;
import io.cistern.vmdisk.DriverMain;
import io.cistern.vmdisk.Transport;
import io.cistern.volume.ClientConfig;
import io.cistern.volume.ShareRule;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeSpec;
import io.cistern.volume.client.Several;
import io.cistern.volume.node.NodeHost;
import io.cistern.volume.node.RemoteCluster;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;

/// Runs nodes and driver under load for some seconds, so that the build can record what they load
/// and which of their methods are hot (`-XX:AOTCacheOutput`, JEP 514 and 515): processes that start
/// from that record reach their speed in seconds instead of minutes. See docs/adr/0010.
///
/// `Training DIRECTORY [SECONDS]`: makes a cluster of three nodes in DIRECTORY, which must not
/// exist, and deletes it at the end. Everything listens on loopback.
public final class Training {
    private static final int NODES = 3;
    private static final String SHARE = "training-share";
    private static final String GUEST = "training-guest";
    private static final long GUEST_BYTES = 32L << 20;
    private static final long VOLUME_BYTES = 128L << 20;
    private static final long BUFFER_BYTES = 64L << 20;
    private static final int CLONES = 32;
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Duration PAUSE = Duration.ofMillis(10);

    private Training() {}

    public static void main(String[] arguments) throws IOException {
        if (arguments.length < 1 || arguments.length > 2) {
            System.err.println("usage: Training DIRECTORY [SECONDS]");
            System.exit(2);
        }
        Path directory = Path.of(arguments[0]).toAbsolutePath();
        int seconds = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 8;
        Files.createDirectory(directory);
        try {
            run(directory, seconds);
        } finally {
            FileTrees.delete(directory);
        }
        // Background threads of libraries must not keep the process.
        System.exit(0);
    }

    private static void run(Path directory, int seconds) throws IOException {
        Logging.configure(new LogConfig("warn", null));
        List<ServerConfig> configs =
                configure(new LocalHome(directory.resolve("c"))).stream()
                        .map(ConfigFile::read)
                        .toList();
        try (NodeDaemon nodes = NodeDaemon.start(configs, NodeHost::start)) {
            ClientConfig client =
                    ClientConfig.of(
                            configs.stream().map(c -> c.node().wire()).toList(), nodes.clusterId());
            try (RemoteCluster cluster = RemoteCluster.connect(client, "training")) {
                create(cluster, VolumeSpec.of("training", VOLUME_BYTES));
                create(cluster, VolumeSpec.of(GUEST, GUEST_BYTES));
                RestAdmin admin = admin(configs.getFirst().api());
                drive(directory.resolve("d"), cluster, admin, seconds);
                administer(admin, seconds / 8.0);
                share(configs.getFirst(), cluster, seconds);
            }
        }
    }

    private static void drive(Path home, RemoteCluster cluster, RestAdmin admin, int seconds)
            throws IOException {
        Thread process =
                Thread.ofPlatform().name("training-driver").start(() -> driver(home, cluster));
        DriverClient driver = new DriverClient(home);
        try {
            await(driver::running);
            String socket =
                    driver.attach("training", AttachMode.EXCLUSIVE, Transport.NBD, null).socket();
            try (TrainingLoad load = TrainingLoad.connect(Path.of(socket), "training")) {
                // In parts of the time: what matters most, a guest's small requests, the longest.
                load.run(new TrainingLoad.Kind(true, false, 1 << 20, 8), seconds / 8.0);
                load.run(new TrainingLoad.Kind(true, true, 4 << 10, 32), seconds * 3 / 8.0);
                cluster.admin().createSnapshots(List.of(new SnapshotName("training", "s")));
                load.run(new TrainingLoad.Kind(true, true, 64 << 10, 16), seconds / 8.0);
                load.run(new TrainingLoad.Kind(false, true, 4 << 10, 32), seconds / 8.0);
                load.run(new TrainingLoad.Kind(true, true, 4 << 10, 1), seconds / 8.0);
                load.run(new TrainingLoad.Kind(false, false, 1 << 20, 8), seconds / 8.0);
            }
            Path guest =
                    Path.of(
                            driver.attach(GUEST, AttachMode.EXCLUSIVE, Transport.VHOST_USER, null)
                                    .socket());
            try (GuestTrainingLoad load = GuestTrainingLoad.connect(guest)) {
                load.run(new TrainingLoad.Kind(true, false, 64 << 10, 16), seconds / 16.0);
                load.run(new TrainingLoad.Kind(true, true, 4 << 10, 16), seconds / 16.0);
                load.run(new TrainingLoad.Kind(false, true, 4 << 10, 16), seconds / 16.0);
                load.run(new TrainingLoad.Kind(false, true, 4 << 10, 1), seconds / 8.0);
            }
            fleet(driver, admin);
        } finally {
            driver.stop(Duration.ZERO); // its process is this one, which goes on
            join(process);
        }
    }

    /// As the driver's process does: what is asked of it comes over its control socket.
    private static void driver(Path home, RemoteCluster cluster) {
        try {
            DriverMain.run(home, new ClusterVolumeOpener(cluster), BUFFER_BYTES);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// What makes a fleet: clones by the API, attached over both transports.
    private static void fleet(DriverClient driver, RestAdmin admin) {
        SnapshotName golden = new SnapshotName("training", "s");
        List<String> names = IntStream.range(0, CLONES).mapToObj(i -> "training-" + i).toList();
        for (int from = 0; from < CLONES; from += CLONES / 2) {
            admin.cloneVolumes(golden, names.subList(from, from + CLONES / 2), Limits.NONE);
        }
        Several.each(
                names,
                DriverClient.MAX_AT_A_TIME,
                name -> {
                    for (Transport transport : Transport.values()) {
                        driver.attach(name, AttachMode.EXCLUSIVE, transport, null);
                        driver.detach(name, null, false);
                    }
                    return name;
                });
    }

    /// Snapshots and clones, over the API as the command line asks for them.
    private static RestAdmin admin(ServerConfig.ApiConfig api) {
        String url = "http://" + Addresses.format(api.listen());
        return new RestAdmin(new RestClient(List.of(url), api.token()));
    }

    private static void administer(RestAdmin admin, double seconds) {
        SnapshotName name = new SnapshotName("training", "again");
        long end = System.nanoTime() + (long) (seconds * 1e9);
        while (System.nanoTime() - end < 0) {
            admin.createSnapshots(List.of(name));
            admin.cloneVolume(name, "training-clone", Limits.NONE);
            admin.deleteVolume("training-clone");
            admin.deleteSnapshot(name);
        }
    }

    /// The paths of shares, in the nodes themselves.
    private static void share(ServerConfig node, RemoteCluster cluster, int seconds)
            throws IOException {
        ServerConfig.NfsConfig nfs = node.nfs();
        if (nfs == null) {
            return;
        }
        ShareRule here = ShareRule.parse("127.0.0.0/8:no_root_squash");
        cluster.admin().shares().create(SHARE, 0, List.of(here));
        try (ShareTrainingLoad load = ShareTrainingLoad.connect(nfs.listen().getFirst(), SHARE)) {
            load.run(new TrainingLoad.Kind(true, false, 1 << 20, 8), seconds / 8.0);
            load.run(new TrainingLoad.Kind(true, true, 4 << 10, 32), seconds / 4.0);
            load.run(new TrainingLoad.Kind(false, true, 4 << 10, 32), seconds / 8.0);
            load.run(new TrainingLoad.Kind(false, true, 4 << 10, 1), seconds / 16.0);
            load.run(new TrainingLoad.Kind(false, false, 1 << 20, 8), seconds / 16.0);
            load.run(new TrainingLoad.Kind(true, true, 4 << 10, 1), seconds / 8.0);
            load.names(seconds / 8.0);
        }
    }

    /// Files of a cluster on ports that are free now.
    private static List<Path> configure(LocalHome home) {
        for (int attempt = 1; ; attempt++) {
            int base = ThreadLocalRandom.current().nextInt(20_000, 32_000);
            try {
                return new LocalCluster(home)
                        .configure(new LocalCluster.StartRequest(NODES, base, false));
            } catch (CisternException taken) {
                if (taken.code() != ErrorCode.BUSY || attempt == 20) {
                    throw taken;
                }
            }
        }
    }

    /// Waits for the cluster to have formed.
    private static void create(RemoteCluster cluster, VolumeSpec spec) {
        await(() -> {
            cluster.admin().createVolume(spec);
            return true;
        });
    }

    /// Tries until it is so.
    private static void await(BooleanSupplier done) {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            try {
                if (done.getAsBoolean()) {
                    return;
                }
                Thread.sleep(PAUSE);
            } catch (CisternException notYet) {
                if (System.nanoTime() - end >= 0) {
                    throw notYet;
                }
            } catch (InterruptedException e) {
                throw CisternException.of(e);
            }
            if (System.nanoTime() - end >= 0) {
                throw new CisternException(ErrorCode.UNAVAILABLE, "nothing came about in time");
            }
        }
    }
}
