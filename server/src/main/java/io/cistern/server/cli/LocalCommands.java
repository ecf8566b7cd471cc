package io.cistern.server.cli;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.api.RestAdmin;
import io.cistern.server.local.LocalCluster;
import io.cistern.server.local.LocalCluster.Started;
import io.cistern.server.local.LocalCluster.Stopped;
import io.cistern.server.local.LocalHome;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.ClusterStatus.Health;
import io.cistern.volume.ClusterStatus.NodeInfo;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// Start and stop of a local cluster.
final class LocalCommands {
    private static final long POLL_MILLIS = 100;

    private LocalCommands() {}

    @Command(
            name = "start",
            description =
                    "Starts a cluster on this machine and returns when it is healthy. Needs no configuration.",
            footer = {
                "",
                "Examples:",
                "  cistern start                      one process with three nodes",
                "  cistern start --processes          one process per node",
                "  cistern start --home /srv/c --port-base 9000"
            })
    static final class Start extends BaseCommand {
        @Option(
                names = "--nodes",
                paramLabel = "N",
                description = "How many nodes a new cluster gets, 1 to 9. Default: 3")
        private @Nullable Integer nodes;

        @Option(names = "--processes", description = "One process per node instead of one for all")
        private boolean processes;

        @Option(
                names = "--port-base",
                paramLabel = "N",
                description =
                        "First port of a new cluster; node K uses N + 100 x K and the next two. Default: 7480")
        private @Nullable Integer portBase;

        @Option(
                names = "--timeout",
                paramLabel = "SECONDS",
                description = "How long to wait until it is healthy. Default: 120")
        private int timeoutSeconds = 120;

        @Override
        void execute() {
            if (nodes != null && (nodes < 1 || nodes > LocalCluster.MAX_NODES)) {
                throw wrong("--nodes must be 1 to " + LocalCluster.MAX_NODES);
            }
            if (portBase != null && (portBase < 1 || portBase > 64000)) {
                throw wrong("--port-base must be 1 to 64000");
            }
            LocalHome home = root().home();
            LocalCluster cluster = new LocalCluster(home);
            Started started =
                    cluster.start(new LocalCluster.StartRequest(nodes, portBase, processes));
            RestAdmin admin = new RestAdmin(root().rest(home.endpoints()));
            ClusterStatus status = awaitHealthy(cluster, admin, started);
            LocalDriver.resume(home);
            print(
                    Map.of(
                            "home",
                            home.path().toString(),
                            "health",
                            status.health(),
                            "started",
                            started.started(),
                            "nodes",
                            status.nodes()),
                    text(home, started, status));
        }

        private ClusterStatus awaitHealthy(LocalCluster cluster, RestAdmin admin, Started started) {
            long end = System.nanoTime() + timeoutSeconds * 1_000_000_000L;
            String last = "its API does not answer yet";
            while (System.nanoTime() < end) {
                Optional<String> ended = cluster.failure();
                if (ended.isPresent()) {
                    throw new CisternException(ErrorCode.UNAVAILABLE, ended.get());
                }
                try {
                    ClusterStatus status = admin.status();
                    if (status.health() == Health.OK
                            && status.nodes().size() >= started.nodes().size()) {
                        return status;
                    }
                    last = String.join("; ", status.reasons());
                } catch (CisternException e) {
                    last = String.valueOf(e.getMessage());
                }
                pause();
            }
            throw new CisternException(
                    ErrorCode.UNAVAILABLE,
                    "the cluster runs but is not healthy after "
                            + timeoutSeconds
                            + " s: "
                            + last
                            + "; 'cistern status' shows more");
        }

        private static String text(LocalHome home, Started started, ClusterStatus status) {
            StringBuilder out = new StringBuilder();
            out.append(started.started().isEmpty() ? "already running: " : "started: ")
                    .append(status.nodes().size())
                    .append(" nodes, healthy, files in ")
                    .append(home.path())
                    .append('\n');
            Table table = new Table("NODE", "PID", "API", "NODE WIRE", "RAFT", "ISCSI", "NFS");
            for (NodeInfo n : status.nodes()) {
                table.row(n.name(), n.pid(), n.api(), n.wire(), n.raft(), n.iscsi(), n.nfs());
            }
            return out.append(table).toString();
        }
    }

    static void pause() {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted", e);
        }
    }

    @Command(
            name = "stop",
            description = "Stops the local cluster cleanly. Data stays.",
            footer = {"", "Example:", "  cistern stop"})
    static final class Stop extends BaseCommand {
        @Override
        void execute() {
            LocalHome home = root().home();
            boolean driver = LocalDriver.stop(home);
            Stopped stopped = new LocalCluster(home).stop();
            String text =
                    stopped.stopped() == 0 && !driver
                            ? "nothing runs from " + home.path()
                            : "stopped; data stays in " + home.path();
            List<String> killed = stopped.killed();
            if (!killed.isEmpty()) {
                text += "\nkilled, since they did not stop in time: " + String.join(", ", killed);
            }
            print(stopped, text);
        }
    }
}
