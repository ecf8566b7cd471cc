package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// What `faults.c`, preloaded into the nodes, does to them on demand.
final class NodeFaults {
    private static final int CONTROL = 4096;
    private static final int CLOCK = 0;
    private static final int KIND = 8;
    private static final int ERROR = 12;
    private static final int LEFT = 16;
    private static final int STRUCK = 20;
    private static final int PATTERN = 24;

    static final int EIO = 5;
    static final int ENOSPC = 28;

    /// Until it is taken back.
    static final int FOREVER = -1;

    /// Numbers as in `faults.c`.
    enum Kind {
        NONE,
        FSYNC_FAILS,
        WRITE_FAILS,
        WRITE_LOST,
        WRITE_MISDIRECTED,
        ANSWER_LOST,
        FSYNC_SLOW
    }

    private final Path library;
    private final Path folder;
    private final List<MappedByteBuffer> nodes = new ArrayList<>();

    /// Compiles the library into `dir`.
    NodeFaults(Path dir) throws IOException, InterruptedException {
        library = Programs.compile(dir, "faults.c", "faults.so", "-shared", "-fPIC");
        folder = Files.createDirectory(dir.resolve("faults"));
        for (int node = 0; node < LocalCluster.NODES; node++) {
            Path file = folder.resolve("n" + node);
            Files.write(file, new byte[CONTROL]);
            try (FileChannel channel =
                    FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                MappedByteBuffer map = channel.map(FileChannel.MapMode.READ_WRITE, 0, CONTROL);
                map.order(ByteOrder.nativeOrder());
                nodes.add(map);
            }
        }
    }

    /// What the nodes' processes need.
    Map<String, String> environment() {
        return Map.of("LD_PRELOAD", library.toString(), "FAULTS_DIR", folder.toString());
    }

    private MappedByteBuffer of(String node) {
        return nodes.get(Integer.parseInt(node.substring(1)));
    }

    /// From now on, `times` times or [#FOREVER], calls on files whose path contains `path` go
    /// wrong.
    void strike(String node, Kind kind, String path, int error, int times) {
        MappedByteBuffer control = of(node);
        control.putInt(KIND, Kind.NONE.ordinal());
        byte[] pattern = path.getBytes(StandardCharsets.US_ASCII);
        control.put(PATTERN, ByteBuffer.allocate(256).array(), 0, 256);
        control.put(PATTERN, pattern, 0, pattern.length);
        control.putInt(ERROR, error);
        control.putInt(LEFT, times);
        control.putInt(STRUCK, 0);
        control.putInt(KIND, kind.ordinal());
    }

    /// From now on, `times` times, a connection to `port` of the node breaks in place of one of so
    /// many answers.
    void loseAnswers(String node, int port, int oneOf, int times) {
        strike(node, Kind.ANSWER_LOST, Integer.toString(port), oneOf, times);
    }

    /// From now on each sync of the node's files waits first.
    void slowSyncs(String node, Duration wait) {
        strike(node, Kind.FSYNC_SLOW, "/disk/", (int) wait.toMillis(), FOREVER);
    }

    /// No more of them.
    ///
    /// @return how many calls went wrong
    int end(String node) {
        of(node).putInt(KIND, Kind.NONE.ordinal());
        return struck(node);
    }

    /// How many calls have gone wrong since [#strike].
    int struck(String node) {
        return of(node).getInt(STRUCK);
    }

    /// Sets the node's wall clock this far from the true time.
    void clock(String node, Duration ahead) {
        of(node).putLong(CLOCK, ahead.toNanos());
    }

    void endAll() {
        for (int node = 0; node < LocalCluster.NODES; node++) {
            end("n" + node);
            clock("n" + node, Duration.ZERO);
        }
        assertThat(nodes).hasSize(LocalCluster.NODES);
    }
}
