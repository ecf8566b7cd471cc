package io.cistern.server.local;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.FileLocks;
import io.cistern.server.config.ConfigFile;
import io.cistern.server.config.ServerConfig;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/// Where a local cluster's files are.
///
/// ```
/// HOME/NODE/node.toml     the node's configuration
/// HOME/NODE/disk/         its data
/// HOME/NODE/node.log      its log; node.out: what its process prints
/// HOME/endpoints         base URLs of the nodes' APIs, one a line
/// HOME/run/NODE.pid       its process, or run/all.pid: one process with all nodes
/// HOME/driver/            the driver's sockets, log and list of attachments
/// ```
public record LocalHome(Path path) {

    public LocalHome {
        path = path.toAbsolutePath().normalize();
    }

    Path node(String name) {
        return path.resolve(name);
    }

    Path config(String name) {
        return node(name).resolve("node.toml");
    }

    Path output(String name) {
        return node(name).resolve("node.out");
    }

    PidFile pidFile(String name) {
        return new PidFile(path.resolve("run").resolve(name + ".pid"));
    }

    public Path driver() {
        return path.resolve("driver");
    }

    /// The nodes that have a configuration, in order of names; empty where there is no cluster.
    public List<String> nodes() {
        if (!Files.isDirectory(path)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(path)) {
            return entries.map(p -> String.valueOf(p.getFileName()))
                    .filter(name -> Files.exists(config(name)))
                    .sorted(Comparator.comparingInt(String::length).thenComparing(n -> n))
                    .toList();
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot read " + path + ": " + e, e);
        }
    }

    public ServerConfig read(String node) {
        return ConfigFile.read(config(node));
    }

    /// Base URLs of the APIs of all nodes here; empty where there is no cluster.
    public List<String> endpoints() {
        Path file = path.resolve("endpoints");
        try {
            return Files.readAllLines(file);
        } catch (NoSuchFileException e) {
            return List.of();
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot read " + file + ": " + e, e);
        }
    }

    /// Notes the APIs in a file that every command can read without parsing configurations.
    void writeEndpoints() {
        List<String> urls = nodes().stream().map(n -> read(n).node().api()).toList();
        NodeFiles.write(path.resolve("endpoints"), String.join("\n", urls) + "\n");
    }

    /// Keeps two commands from changing the same home at once.
    ///
    /// @throws CisternException BUSY where another command does
    Lock lock() {
        try {
            Files.createDirectories(path);
            FileChannel channel = FileLocks.take(path.resolve("lock"));
            if (channel == null) {
                throw new CisternException(
                        ErrorCode.BUSY,
                        "another cistern command is starting or stopping the cluster in " + path);
            }
            return new Lock(channel);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO,
                    "cannot use " + path + " as home (" + e + "); name another by --home DIR",
                    e);
        }
    }

    /// Released by the kernel where the process ends.
    record Lock(FileChannel channel) implements AutoCloseable {
        @Override
        public void close() {
            try {
                channel.close();
            } catch (IOException e) {
                throw new CisternException(ErrorCode.IO, "cannot release a lock: " + e, e);
            }
        }
    }
}
