package io.cistern.server.cli;

import com.sun.net.httpserver.HttpServer;
import io.cistern.block.FileTrees;
import io.cistern.server.Logging;
import io.cistern.server.api.Json;
import io.cistern.server.api.Requests.Self;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.ClusterStatus.Capacity;
import io.cistern.volume.ClusterStatus.DiskInfo;
import io.cistern.volume.ClusterStatus.GroupInfo;
import io.cistern.volume.ClusterStatus.Health;
import io.cistern.volume.ClusterStatus.NodeInfo;
import io.cistern.volume.ClusterStatus.NodeState;
import io.cistern.volume.ClusterStatus.ReplicaInfo;
import io.cistern.volume.ClusterStatus.ReplicaState;
import io.cistern.volume.VolumeInfo;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// Runs common commands against canned answers, so that the build can record which classes they
/// load (`-XX:AOTCacheOutput`): later commands start from that record.
public final class WarmUp {
    private WarmUp() {}

    public static void main(String[] arguments) throws IOException {
        Logging.oneCommand();
        HttpServer server =
                HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 8);
        VolumeInfo volume = volume();
        answer(server, "/v1/volumes", List.of(volume));
        answer(server, "/v1/volumes/v", volume);
        answer(server, "/v1/clones", List.of(volume));
        ClusterStatus status = status(volume);
        answer(server, "/v1/status", status);
        answer(server, "/v1/nodes", status.nodes());
        answer(server, "/v1/self", new Self("n0", status.clusterId(), 1, ""));
        server.start();
        String api = "http://127.0.0.1:" + server.getAddress().getPort();
        PrintStream nowhere =
                new PrintStream(OutputStream.nullOutputStream(), true, StandardCharsets.UTF_8);
        Path home = Files.createTempDirectory("cistern-warm-up");
        CannedDriver driver = CannedDriver.start(home, status.clusterId());
        for (String line :
                List.of(
                        "volume list",
                        "volume list -o json",
                        "volume show v",
                        "volume create v 1GiB",
                        "status",
                        "status -o json",
                        "volume resize v x",
                        "clone v@s a",
                        "clone v@s a b",
                        "clone v@s a b -o json",
                        "attach v w --home " + home,
                        "attach v w -o json --home " + home,
                        "attach v --transport vhost-user --home " + home,
                        "--help")) {
            String[] words = (line + " --api " + api).split(" ");
            Cli.run(words, nowhere, nowhere);
        }
        driver.close();
        FileTrees.delete(home);
        server.stop(0);
    }

    private static void answer(HttpServer server, String path, Object value) {
        byte[] body = Json.bytes(value);
        server.createContext(
                path,
                exchange -> {
                    exchange.getRequestBody().readAllBytes();
                    exchange.getResponseHeaders().set("Content-Type", "application/json");
                    exchange.sendResponseHeaders(200, body.length);
                    exchange.getResponseBody().write(body);
                    exchange.close();
                });
    }

    private static VolumeInfo volume() {
        return new VolumeInfo(
                "v",
                1,
                VolumeInfo.State.READY,
                1L << 30,
                0,
                3,
                "g1",
                "n0",
                Limits.NONE,
                null,
                0,
                List.of(),
                1);
    }

    private static ClusterStatus status(VolumeInfo volume) {
        DiskInfo disk = new DiskInfo("n0/0", "n0", "/d", 2, 1, false, null);
        NodeInfo node =
                new NodeInfo(
                        "n0",
                        1,
                        NodeState.UP,
                        "default",
                        "http://127.0.0.1:7480",
                        "127.0.0.1:7481",
                        "127.0.0.1:7482",
                        null,
                        null,
                        List.of("g1"),
                        List.of(disk),
                        1);
        ReplicaInfo replica = new ReplicaInfo("n0.1", "n0", ReplicaState.LEADER, 1, 0, null, 1, 0);
        return new ClusterStatus(
                "0",
                Health.OK,
                List.of(),
                List.of(node),
                List.of(new GroupInfo("g1", 3, "n0", 1, List.of(replica), 1)),
                List.of(volume),
                new Capacity(2, 1, 1, 1),
                List.of(),
                1,
                List.of());
    }
}
