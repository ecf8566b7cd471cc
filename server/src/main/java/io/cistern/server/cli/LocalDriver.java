package io.cistern.server.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cistern.block.CisternException;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import io.cistern.server.Logging;
import io.cistern.server.api.Json;
import io.cistern.server.api.RestAdmin;
import io.cistern.server.config.Addresses;
import io.cistern.server.config.ServerConfig.LogConfig;
import io.cistern.server.local.Jvm;
import io.cistern.server.local.LocalHome;
import io.cistern.vmdisk.ClusterVolumeOpener;
import io.cistern.vmdisk.DriverClient;
import io.cistern.vmdisk.DriverMain;
import io.cistern.vmdisk.QemuArguments;
import io.cistern.volume.ClientConfig;
import io.cistern.volume.ClusterStatus.NodeInfo;
import io.cistern.volume.TlsFiles;
import io.cistern.volume.node.RemoteCluster;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/// The driver process of a home: one per host and user is enough.
///
/// `HOME/driver/cluster.json` tells it which cluster to use, so that it can start again without the
/// API.
final class LocalDriver {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Duration STOP_PATIENCE = Duration.ofSeconds(20);

    /// What the request buffers of all attachments may take; fits [Jvm.Memory#DRIVER].
    private static final long BUFFER_BYTES = 256L << 20;

    private LocalDriver() {}

    /// The cluster a driver belongs to.
    ///
    /// @param seeds node wires, `HOST:PORT`
    /// @param tls absolute paths; null for plain connections
    record ClusterFile(String clusterId, List<String> seeds, @Nullable Tls tls) {
        record Tls(String certificate, String key, String authority) {}

        /// Guests wait for a majority as long as they wait for a driver.
        ClientConfig client() {
            Tls t = tls;
            ClientConfig plain =
                    ClientConfig.of(seeds.stream().map(Addresses::parse).toList(), clusterId);
            return new ClientConfig(
                    plain.seeds(),
                    clusterId,
                    t == null
                            ? null
                            : new TlsFiles(
                                    Path.of(t.certificate()),
                                    Path.of(t.key()),
                                    Path.of(t.authority())),
                    Duration.ofSeconds(QemuArguments.RECONNECT_DELAY_S),
                    plain.tryTimeout(),
                    plain.openTimeout());
        }
    }

    /// How programs on this machine reach the cluster of an API.
    static ClusterFile describe(RestAdmin admin) {
        return describe(admin.clusterId(), admin);
    }

    private static ClusterFile describe(String clusterId, RestAdmin admin) {
        return new ClusterFile(
                clusterId, admin.nodes().stream().map(NodeInfo::wire).toList(), tls());
    }

    private static ClusterFile.@Nullable Tls tls() {
        String certificate = System.getenv("CISTERN_TLS_CERTIFICATE");
        String key = System.getenv("CISTERN_TLS_KEY");
        String authority = System.getenv("CISTERN_TLS_AUTHORITY");
        if (certificate == null || key == null || authority == null) {
            return null;
        }
        return new ClusterFile.Tls(absolute(certificate), absolute(key), absolute(authority));
    }

    private static String absolute(String path) {
        return Path.of(path).toAbsolutePath().toString();
    }

    /// Does something with the home's driver, which is started if it does not run. One that runs
    /// does not wait for the addresses of the cluster's nodes: they are noted for its next start.
    ///
    /// @throws CisternException BUSY where it serves another cluster
    static <T> T with(LocalHome home, RestAdmin admin, Work<T> work) throws InterruptedException {
        Logging.none();
        DriverClient client = new DriverClient(home.driver());
        if (!client.running()) {
            write(home, describe(admin));
            client.ensureRunning(command(home), PATIENCE);
            return work.with(client);
        }
        String cluster = admin.clusterId();
        checkServes(home, cluster);
        FutureTask<ClusterFile> described = new FutureTask<>(() -> describe(cluster, admin));
        Thread.ofVirtual().start(described);
        T result = work.with(client);
        try {
            write(home, described.get());
        } catch (ExecutionException e) {
            throw CisternException.of(e.getCause() == null ? e : e.getCause());
        }
        return result;
    }

    /// Something that is done with the driver.
    interface Work<T> {
        T with(DriverClient driver) throws InterruptedException;
    }

    private static void checkServes(LocalHome home, String wanted) {
        String present = read(home).clusterId();
        if (!present.equals(wanted)) {
            throw new CisternException(
                    ErrorCode.BUSY,
                    "the driver in "
                            + home.driver()
                            + " serves volumes of another cluster, "
                            + present
                            + "; use another --home");
        }
    }

    /// The home's driver where one runs, else null.
    static @Nullable DriverClient running(LocalHome home) {
        if (!Files.exists(file(home))) {
            return null;
        }
        Logging.none();
        DriverClient client = new DriverClient(home.driver());
        return client.running() ? client : null;
    }

    /// Stops the driver; its attachments stay for its next start.
    ///
    /// @return whether one ran
    static boolean stop(LocalHome home) {
        DriverClient client = running(home);
        if (client == null) {
            new DriverClient(home.driver()).stayStopped();
            return false;
        }
        if (!client.stop(STOP_PATIENCE)) {
            throw new CisternException(
                    ErrorCode.UNAVAILABLE,
                    "the driver, process "
                            + client.pid()
                            + ", does not stop; see driver.log in "
                            + home.driver());
        }
        return true;
    }

    /// Starts the driver again where it has attachments.
    static void resume(LocalHome home) {
        if (Files.exists(file(home)) && hasAttachments(home)) {
            Logging.none();
            new DriverClient(home.driver()).ensureRunning(command(home), PATIENCE);
        }
    }

    private static boolean hasAttachments(LocalHome home) {
        Path list = home.driver().resolve("attachments.json");
        try {
            return Files.exists(list)
                    ? !new ObjectMapper()
                            .readTree(Files.readAllBytes(list))
                            .path("attachments")
                            .isEmpty()
                    : Files.exists(list.resolveSibling("attachments.json.copy"));
        } catch (JsonProcessingException damaged) {
            return true; // the driver has a copy, or says what to do
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot read " + list + ": " + e, e);
        }
    }

    /// The driver process itself: returns when it is told to stop.
    static void run(LocalHome home) throws InterruptedException {
        Logging.configure(new LogConfig("info", null));
        ClusterFile file = read(home);
        RemoteCluster cluster =
                RemoteCluster.connect(file.client(), "driver-" + ProcessHandle.current().pid());
        // Not closed: that would end the attachments, which outlive the process.
        try {
            DriverMain.run(home.driver(), new ClusterVolumeOpener(cluster), BUFFER_BYTES);
        } catch (CisternException e) {
            if (e.code() == ErrorCode.BUSY) {
                LoggerFactory.getLogger(LocalDriver.class).error("{}", e.getMessage());
                System.exit(DriverMain.ALREADY_RUNS);
            }
            throw e;
        }
    }

    private static List<String> command(LocalHome home) {
        return Jvm.command(Jvm.Memory.DRIVER, List.of("driver", "--home", home.path().toString()));
    }

    private static Path file(LocalHome home) {
        return home.driver().resolve("cluster.json");
    }

    private static ClusterFile read(LocalHome home) {
        try {
            return new ObjectMapper().readValue(file(home).toFile(), ClusterFile.class);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO,
                    "cannot read "
                            + file(home)
                            + " ("
                            + e.getMessage()
                            + "); 'cistern attach' writes it",
                    e);
        }
    }

    private static void write(LocalHome home, ClusterFile content) {
        try {
            DurableFiles.createDirectories(home.driver());
            String text = Json.pretty(content) + "\n";
            DurableFiles.replace(file(home), text.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot write " + file(home) + ": " + e, e);
        }
    }
}
