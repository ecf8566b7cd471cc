package io.cistern.server;

import io.cistern.block.CisternException;
import io.cistern.server.api.ApiServer;
import io.cistern.server.api.Requests.Self;
import io.cistern.server.config.ConfigFile;
import io.cistern.server.config.ServerConfig;
import io.cistern.server.config.ServerConfig.IscsiConfig;
import io.cistern.server.iscsi.IscsiFrontEnd;
import io.cistern.server.metrics.Metric;
import io.cistern.server.metrics.MetricsPage;
import io.cistern.server.metrics.ProcessSamples;
import io.cistern.volume.ClusterNode;
import io.cistern.volume.ClusterNode.Sample;
import io.cistern.volume.NodeConfig;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One or several nodes in this process, each with its API.
public final class NodeDaemon implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(NodeDaemon.class);

    /// A stop that takes longer ends the process all the same: whatever was acknowledged is in the
    /// log.
    private static final Duration STOP_PATIENCE = Duration.ofSeconds(20);

    private final List<Running> running;

    private record Running(ClusterNode node, ApiServer api, @Nullable IscsiFrontEnd iscsi) {}

    private NodeDaemon(List<Running> running) {
        this.running = List.copyOf(running);
    }

    /// Starts the nodes of the files and serves until SIGTERM or SIGINT, then stops cleanly.
    ///
    /// @param starter starts one node
    /// @throws CisternException where a file, a disk or a port cannot be used
    public static void run(List<Path> files, Function<NodeConfig, ClusterNode> starter)
            throws InterruptedException {
        List<ServerConfig> configs = files.stream().map(ConfigFile::read).toList();
        Logging.configure(configs.getFirst().log());
        Thread.setDefaultUncaughtExceptionHandler(
                (thread, failure) -> LOG.error("thread {} ended", thread.getName(), failure));
        StopSignal stop = StopSignal.install();
        try (NodeDaemon daemon = start(configs, starter)) {
            LOG.info(
                    "running {}, process {}",
                    daemon.running.stream().map(r -> r.node().name()).toList(),
                    ProcessHandle.current().pid());
            stop.await();
            LOG.info("stopping");
            haltLater();
        } catch (CisternException e) {
            LOG.error("cannot run: {}", e.getMessage(), e);
            throw e;
        }
        LOG.info("stopped");
    }

    static NodeDaemon start(List<ServerConfig> configs, Function<NodeConfig, ClusterNode> starter) {
        List<FutureTask<Running>> starts = new ArrayList<>();
        for (ServerConfig config : configs) {
            FutureTask<Running> start = new FutureTask<>(() -> startOne(config, starter));
            Thread.ofPlatform().name("start-" + config.node().name()).start(start);
            starts.add(start);
        }
        List<Running> started = new ArrayList<>();
        CisternException failure = null;
        for (FutureTask<Running> start : starts) {
            try {
                started.add(await(start));
            } catch (CisternException e) {
                failure = failure == null ? e : failure;
            }
        }
        NodeDaemon daemon = new NodeDaemon(started);
        if (failure != null) {
            daemon.close();
            throw failure;
        }
        return daemon;
    }

    private static Running startOne(
            ServerConfig config, Function<NodeConfig, ClusterNode> starter) {
        ClusterNode node = starter.apply(config.node());
        IscsiConfig portals = config.iscsi();
        IscsiFrontEnd iscsi = portals == null ? null : IscsiFrontEnd.start(node, portals);
        try {
            Self self =
                    new Self(
                            node.name(),
                            node.clusterId(),
                            ProcessHandle.current().pid(),
                            Version.TEXT);
            AtomicReference<List<Sample>> answers = new AtomicReference<>(List.of());
            MetricsPage metrics =
                    new MetricsPage(
                            node.name(),
                            List.of(
                                    node::metrics,
                                    answers::get,
                                    iscsi == null ? List::of : iscsi::metrics,
                                    ProcessSamples::take));
            AtomicReference<ApiServer> server = new AtomicReference<>();
            ApiServer api =
                    new ApiServer(
                            config.api(),
                            node.admin(),
                            self,
                            () -> {
                                ApiServer known = server.get();
                                answers.set(known == null ? List.of() : answers(known));
                                return metrics.text();
                            });
            server.set(api);
            api.start();
            return new Running(node, api, iscsi);
        } catch (RuntimeException e) {
            if (iscsi != null) {
                iscsi.close();
            }
            node.close();
            throw e;
        }
    }

    private static List<Sample> answers(ApiServer api) {
        List<Sample> samples = new ArrayList<>();
        api.answers()
                .forEach((status, count) ->
                        samples.add(
                                new Sample(
                                        Metric.API_REQUESTS.metricName(),
                                        List.of("status", status.toString()),
                                        count)));
        return samples;
    }

    private static <T> T await(Future<T> future) {
        try {
            return future.get();
        } catch (ExecutionException e) {
            throw CisternException.of(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw CisternException.of(e);
        }
    }

    private static void haltLater() {
        Thread.ofPlatform()
                .daemon()
                .name("stop-patience")
                .start(() -> {
                    try {
                        Thread.sleep(STOP_PATIENCE);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                        return;
                    }
                    LOG.error(
                            "not stopped after {} s: ending all the same; nothing acknowledged is lost",
                            STOP_PATIENCE.toSeconds());
                    Runtime.getRuntime().halt(1);
                });
    }

    private static void stop(Running r) {
        IscsiFrontEnd iscsi = r.iscsi();
        if (iscsi != null) {
            iscsi.close();
        }
        r.node().close();
    }

    /// Stops the APIs, then all nodes at once, their portals first.
    @Override
    public void close() {
        running.forEach(r -> r.api().close());
        List<Thread> stops = new ArrayList<>();
        for (Running r : running) {
            stops.add(Thread.ofPlatform().name("stop-" + r.node().name()).start(() -> stop(r)));
        }
        for (Thread stop : stops) {
            try {
                stop.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }
}
