package io.cistern.chaos;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// Drops what one address sends to another, in one direction, on this machine's loopback: packets
/// vanish without an error to either side, and connections stay. Works by routing rules, so it
/// needs root; it is meant for a network namespace of its own.
final class Cuts implements AutoCloseable {
    private static final Duration QUICK = Duration.ofSeconds(10);
    private static final String BASE = "31000";
    private static final String PRIORITY = "31";

    private final Path dir;
    private final List<List<String>> open = new ArrayList<>();

    /// Lets rules come before the one that says what is local, which is the first by default.
    Cuts(Path dir) throws IOException, InterruptedException {
        this.dir = dir;
        ip("rule", "add", "priority", BASE, "lookup", "local");
        ip("rule", "del", "priority", "0", "lookup", "local");
    }

    /// The address of a node; that of everybody else is 127.0.0.1.
    static String address(String node) {
        return "127.0.0." + (10 + Integer.parseInt(node.substring(1)));
    }

    void cut(String from, String to) throws IOException, InterruptedException {
        List<String> rule =
                List.of("priority", PRIORITY, "from", from, "to", to, "type", "blackhole");
        List<String> line = new ArrayList<>(List.of("rule", "add"));
        line.addAll(rule);
        ip(line.toArray(String[]::new));
        open.add(rule);
    }

    void heal() throws IOException, InterruptedException {
        for (List<String> rule : open) {
            List<String> line = new ArrayList<>(List.of("rule", "del"));
            line.addAll(rule);
            ip(line.toArray(String[]::new));
        }
        open.clear();
    }

    private void ip(String... arguments) throws IOException, InterruptedException {
        List<String> line = new ArrayList<>(List.of("ip"));
        line.addAll(List.of(arguments));
        Programs.run(dir, QUICK, line).succeeded();
    }

    @Override
    public void close() throws IOException, InterruptedException {
        heal();
        ip("rule", "add", "priority", "0", "lookup", "local");
        ip("rule", "del", "priority", BASE, "lookup", "local");
    }
}
