package io.cistern.server.local;

import io.cistern.block.CisternException;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import io.cistern.server.config.Addresses;
import io.cistern.volume.TlsFiles;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.tomlj.Toml;

/// Writes the configuration files of nodes on this machine.
final class NodeFiles {
    /// Ports of one node start this far from those of the node before it.
    static final int PORTS_PER_NODE = 100;

    /// Where initiators look first; the first node listens there too where nothing else does.
    private static final InetSocketAddress ISCSI_STANDARD =
            new InetSocketAddress("127.0.0.1", 3260);

    /// Where clients look first; the first node serves there too where nothing else does.
    private static final InetSocketAddress NFS_STANDARD = new InetSocketAddress("127.0.0.1", 2049);

    private static final String WITNESS = "role = \"witness\"\n";

    private NodeFiles() {}

    /// Where a node of a local cluster listens.
    record Ports(int base) {
        static Ports ofNode(int base, int k) {
            return new Ports(base + PORTS_PER_NODE * k);
        }

        InetSocketAddress api() {
            return at(0);
        }

        InetSocketAddress wire() {
            return at(1);
        }

        InetSocketAddress raft() {
            return at(2);
        }

        InetSocketAddress iscsi() {
            return at(10);
        }

        InetSocketAddress nfs() {
            return at(20);
        }

        private InetSocketAddress at(int plus) {
            return new InetSocketAddress("127.0.0.1", base + plus);
        }
    }

    /// Writes the files of a cluster that nodes `n0`, `n1` … form.
    static void form(LocalHome home, int nodes, int portBase) {
        String id = UUID.randomUUID().toString();
        StringBuilder members = new StringBuilder("[cluster]\nid = \"" + id + "\"\n");
        for (int k = 0; k < nodes; k++) {
            Ports ports = Ports.ofNode(portBase, k);
            members.append(
                    """

                    [[cluster.node]]
                    name = "n%d"
                    wire = "%s"
                    raft = "%s"
                    api = "http://%s"
                    """
                            .formatted(
                                    k,
                                    Addresses.format(ports.wire()),
                                    Addresses.format(ports.raft()),
                                    Addresses.format(ports.api())));
        }
        List<Path> written = new ArrayList<>();
        for (int k = 0; k < nodes; k++) {
            String name = "n" + k;
            // All or none: what a crash leaves unfinished is not taken for a cluster.
            Path next = home.config(name).resolveSibling("node.toml.next");
            Ports ports = Ports.ofNode(portBase, k);
            write(next, text(name, "", ports, "0") + frontEnds(ports, k == 0) + "\n" + members);
            written.add(next);
        }
        for (Path next : written.reversed()) {
            move(next, next.resolveSibling("node.toml"));
        }
    }

    /// Writes the file of a node that joins a cluster.
    static void join(LocalHome home, String name, Ports ports, LocalCluster.AddRequest request) {
        Path tokenFile = home.node(name).resolve("join-token");
        writeSecret(tokenFile, request.token() + "\n");
        String cluster = "\n[cluster]\njoin-token-file = \"join-token\"\n";
        String disk = Long.toString(request.diskBytes());
        write(
                home.config(name),
                text(name, request.witness() ? WITNESS : "", ports, disk)
                        + (request.witness() ? "" : frontEnds(ports, false))
                        + tls(request.tls())
                        + cluster);
    }

    /// @param first the node that listens on the standard ports too
    private static String frontEnds(Ports ports, boolean first) {
        return """

        [iscsi]
        listen = "%s%s"
        advertise = "%s"

        [nfs]
        listen = "%s%s"
        """
                .formatted(
                        Addresses.format(ports.iscsi()),
                        first ? alsoOn(ISCSI_STANDARD) : "",
                        Addresses.format(ports.iscsi()),
                        Addresses.format(ports.nfs()),
                        first ? alsoOn(NFS_STANDARD) : "");
    }

    private static String alsoOn(InetSocketAddress standard) {
        return PortCheck.isFree(standard) ? ", " + Addresses.format(standard) : "";
    }

    private static String tls(@Nullable TlsFiles files) {
        return files == null
                ? ""
                : """

                [tls]
                certificate = %s
                key = %s
                authority = %s
                """
                        .formatted(
                                quoted(files.certificate()),
                                quoted(files.key()),
                                quoted(files.authority()));
    }

    /// As a basic string of TOML.
    private static String quoted(Path path) {
        return '"' + Toml.tomlEscape(path.toString()).toString() + '"';
    }

    /// @param role a line for the section `[node]`, or nothing
    private static String text(String name, String role, Ports ports, String diskSize) {
        return """
        # Written by cistern; docs/configuration.md explains every key.
        [node]
        %sname = "%s"

        [[disk]]
        path = "disk"
        size = "%s"

        [wire]
        listen = "%s"

        [raft]
        listen = "%s"

        [api]
        listen = "%s"

        [log]
        file = "node.log"
        """
                .formatted(
                        role,
                        name,
                        diskSize,
                        Addresses.format(ports.wire()),
                        Addresses.format(ports.raft()),
                        Addresses.format(ports.api()));
    }

    static void writeSecret(Path file, String text) {
        try {
            DurableFiles.createDirectories(parent(file));
            Files.deleteIfExists(file);
            Files.createFile(
                    file,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rw-------")));
            Files.writeString(file, text);
            DurableFiles.sync(file);
            DurableFiles.sync(parent(file));
        } catch (IOException e) {
            throw failed(file, e);
        }
    }

    static void write(Path file, String text) {
        try {
            DurableFiles.createDirectories(parent(file));
            DurableFiles.replace(file, text.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw failed(file, e);
        }
    }

    static void move(Path from, Path to) {
        try {
            Files.move(
                    from, to, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
            DurableFiles.sync(parent(to));
        } catch (IOException e) {
            throw failed(to, e);
        }
    }

    private static Path parent(Path file) {
        Path parent = file.toAbsolutePath().getParent();
        return parent == null ? Path.of("/") : parent;
    }

    private static CisternException failed(Path file, IOException e) {
        return new CisternException(
                ErrorCode.IO, "cannot write " + file + " (" + e + "); is the home writable?", e);
    }
}
