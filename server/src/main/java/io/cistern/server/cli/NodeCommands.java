package io.cistern.server.cli;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.NodeDaemon;
import io.cistern.server.api.RestAdmin;
import io.cistern.server.local.LocalCluster;
import io.cistern.server.local.LocalHome;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.ClusterStatus.NodeInfo;
import io.cistern.volume.ClusterStatus.NodeState;
import io.cistern.volume.TlsFiles;
import io.cistern.volume.node.NodeHost;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "node",
        description = "Runs, lists, adds, drains and removes nodes.",
        subcommands = {
            NodeCommands.Run.class,
            NodeCommands.ListAll.class,
            NodeCommands.Token.class,
            NodeCommands.Add.class,
            NodeCommands.Drain.class,
            NodeCommands.Remove.class,
            RescueCommand.class,
        },
        footer = {"", "Example:", "  cistern node list"})
final class NodeCommands extends BaseCommand.Group {

    @Command(
            name = "run",
            description =
                    "Runs a node in the foreground until SIGTERM, as a service manager starts it.",
            footer = {"", "Example:", "  cistern node run --config /etc/cistern/node.toml"})
    static final class Run extends BaseCommand {
        @Option(
                names = "--config",
                paramLabel = "FILE",
                required = true,
                description = "The node's configuration; several for several nodes in one process")
        private List<Path> files = List.of();

        @Override
        void execute() throws InterruptedException {
            NodeDaemon.run(files, NodeHost::start);
        }
    }

    @Command(
            name = "list",
            description = "Lists all nodes.",
            footer = {"", "Example:", "  cistern node list"})
    static final class ListAll extends BaseCommand {
        @Override
        void execute() {
            List<NodeInfo> nodes = admin().nodes();
            print(nodes, Texts.nodes(nodes));
        }
    }

    @Command(
            name = "token",
            description = "Prints a secret with which one node may join the cluster.",
            footer = {"", "Example:", "  cistern node token > token"})
    static final class Token extends BaseCommand {
        @Override
        void execute() {
            String token = admin().createJoinToken();
            print(Map.of("token", token), token);
        }
    }

    @Command(
            name = "add",
            description = "Starts a new node on this machine that joins a cluster.",
            footer = {
                "",
                "Examples:",
                "  cistern node add --join TOKEN",
                "  cistern node add --witness --join TOKEN",
                "  cistern node add --join-file token --name n7 --port-base 9000 --size 100GiB",
                "  cistern node add --join-file token --tls-certificate n7.pem --tls-key n7.key --tls-authority ca.pem"
            })
    static final class Add extends BaseCommand {
        static final class JoinOptions {
            @Option(
                    names = "--join",
                    paramLabel = "TOKEN",
                    description = "What 'cistern node token' printed")
            private @Nullable String token;

            @Option(
                    names = "--join-file",
                    paramLabel = "FILE",
                    description = "The same in a file, out of sight of other users")
            private @Nullable Path file;
        }

        @ArgGroup(multiplicity = "1")
        private JoinOptions join = new JoinOptions();

        @Option(
                names = "--name",
                paramLabel = "NAME",
                description = "Default: the next of n0, n1 …")
        private @Nullable String name;

        @Option(
                names = "--port-base",
                paramLabel = "N",
                description =
                        "API port; wire and Raft use the next two. Default: 100 more than the last node here")
        private @Nullable Integer portBase;

        @Option(
                names = "--size",
                paramLabel = "SIZE",
                converter = Converters.Bytes.class,
                description = "Most bytes of data; default what the file system has")
        private @Nullable Long size;

        @Option(
                names = "--witness",
                description =
                        "It holds no data and votes where two nodes do: with it, two nodes keep volumes on both and go on when one is lost")
        private boolean witness;

        static final class TlsOptions {
            @Option(
                    names = "--tls-certificate",
                    paramLabel = "FILE",
                    required = true,
                    description = "Where the cluster uses TLS: this node's PEM certificate chain")
            private @Nullable Path certificate;

            @Option(
                    names = "--tls-key",
                    paramLabel = "FILE",
                    required = true,
                    description = "Its PEM private key (PKCS#8)")
            private @Nullable Path key;

            @Option(
                    names = "--tls-authority",
                    paramLabel = "FILE",
                    required = true,
                    description = "PEM certificate of the cluster's authority")
            private @Nullable Path authority;

            TlsFiles files() {
                return new TlsFiles(
                        given(certificate).toAbsolutePath(),
                        given(key).toAbsolutePath(),
                        given(authority).toAbsolutePath());
            }
        }

        @ArgGroup(exclusive = false)
        private @Nullable TlsOptions tls;

        @Option(
                names = "--timeout",
                paramLabel = "SECONDS",
                description = "How long to wait until it is up. Default: 120")
        private int timeoutSeconds = 120;

        @Override
        void execute() {
            if (witness && size != null) {
                throw wrong("--size: a witness holds no data");
            }
            LocalHome home = root().home();
            LocalCluster cluster = new LocalCluster(home);
            TlsOptions files = tls;
            String added =
                    cluster.add(
                            new LocalCluster.AddRequest(
                                    name,
                                    portBase,
                                    size == null ? 0 : size,
                                    witness,
                                    token(),
                                    files == null ? null : files.files()));
            String api = home.read(added).node().api();
            NodeInfo node = awaitUp(cluster, new RestAdmin(root().rest(List.of(api))), added);
            print(
                    node,
                    (witness ? "witness " : "node ") + added + " is up; its API is " + node.api());
        }

        private String token() {
            String given = join.token;
            if (given != null) {
                return given.strip();
            }
            return CisternCommand.secret(given(join.file));
        }

        private NodeInfo awaitUp(LocalCluster cluster, RestAdmin admin, String added) {
            long end = System.nanoTime() + timeoutSeconds * 1_000_000_000L;
            while (System.nanoTime() < end) {
                if (!cluster.running().containsKey(added)) {
                    String reason = cluster.ended(added);
                    cluster.forgetUnlessJoined(added);
                    throw new CisternException(ErrorCode.UNAVAILABLE, reason);
                }
                Optional<NodeInfo> up = up(admin, added);
                if (up.isPresent()) {
                    return up.get();
                }
                LocalCommands.pause();
            }
            throw new CisternException(
                    ErrorCode.UNAVAILABLE,
                    "node "
                            + added
                            + " runs, but is not up after "
                            + timeoutSeconds
                            + " s; its log says more");
        }

        private static Optional<NodeInfo> up(RestAdmin admin, String name) {
            try {
                return admin.nodes().stream()
                        .filter(n -> n.name().equals(name) && n.state() == NodeState.UP)
                        .findFirst();
            } catch (CisternException e) {
                if (e.code() != ErrorCode.UNAVAILABLE) {
                    throw e;
                }
                return Optional.empty();
            }
        }
    }

    @Command(
            name = "drain",
            description = "Moves all replicas of a node elsewhere, in the background.",
            footer = {
                "",
                "Examples:",
                "  cistern node drain n3 --wait",
                "  cistern node drain n3 --cancel"
            })
    static final class Drain extends BaseCommand {
        @Parameters(paramLabel = "NODE")
        private @Nullable String node;

        @Option(
                names = "--cancel",
                description = "Ends a drain; what has moved does not come back by itself")
        private boolean cancel;

        @Option(names = "--wait", description = "Returns only when the node holds nothing any more")
        private boolean await;

        @Override
        void execute() {
            String name = given(node);
            if (cancel) {
                NodeInfo n = admin().keepNode(name);
                print(n, n.name() + " takes replicas again");
                return;
            }
            NodeInfo n = admin().drainNode(name);
            if (await) {
                n = awaitDrained(name);
            }
            print(
                    n,
                    n.state() == NodeState.DRAINED
                            ? n.name() + " is drained; 'cistern node remove' forgets it"
                            : "draining " + n.name() + "; 'cistern status' shows how far it is");
        }

        private NodeInfo awaitDrained(String name) {
            try (ProgressLine line = new ProgressLine("drain", spec().commandLine().getErr())) {
                while (true) {
                    ClusterStatus status = admin().status();
                    status.work().stream()
                            .filter(w -> w.kind().equals("drain") && w.what().equals(name))
                            .forEach(
                                    w -> line.report(w.done(), w.total(), w.etaMillis(), w.step()));
                    Optional<NodeInfo> now =
                            status.nodes().stream().filter(n -> n.name().equals(name)).findFirst();
                    if (now.isEmpty()) {
                        throw new CisternException(
                                ErrorCode.NOT_FOUND, "node '" + name + "' was removed meanwhile");
                    }
                    if (now.get().state() == NodeState.DRAINED) {
                        return now.get();
                    }
                    LocalCommands.pause();
                }
            }
        }
    }

    @Command(
            name = "remove",
            description = "Forgets a drained or lost node for good.",
            footer = {"", "Example:", "  cistern node remove n3"})
    static final class Remove extends BaseCommand {
        @Parameters(paramLabel = "NODE")
        private @Nullable String node;

        @Override
        void execute() {
            String name = given(node);
            RestAdmin admin = admin();
            String cluster = admin.status().clusterId();
            admin.removeNode(name);
            boolean here = new LocalCluster(root().home()).retire(name, cluster);
            print(
                    Map.of("removed", name),
                    "removed node "
                            + name
                            + (here
                                    ? "; it is not started again, its files stay in "
                                            + root().home().path().resolve(name)
                                    : "; its process, if it still runs, can be stopped"));
        }
    }
}
