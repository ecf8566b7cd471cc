package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;

/// What a node knows by itself when it starts: whose it is and which replicas it holds. The file
/// `node.json` on its first disk; replaced as a whole (temporary name, fsync, rename, fsync of the
/// directory).
///
/// Format 1, JSON: `format`, `clusterId`, `name`, `disks` (number, path, sizeBytes), `replicas`
/// (group, peer, disk, members: the voters it was created with, empty where it joined), `nodes`,
/// and `next` and `former` where the cluster was made anew of one node, see [Rescue].
///
/// @param nodes where the cluster's nodes listen for the node wire (`host:port`), as last known
/// @param next the cluster's id once a [Rescue] that has begun is done; absent where none has
/// @param former ids that the cluster had before a rescue; absent where there was none
record NodeFile(
        int format,
        String clusterId,
        String name,
        List<LocalDisk> disks,
        List<LocalReplica> replicas,
        SortedMap<String, String> nodes,
        @Nullable String next,
        @Nullable List<String> former) {
    static final int FORMAT = 1;
    static final String FILE = "node.json";

    record LocalDisk(int number, String path, long sizeBytes) {}

    record LocalReplica(long group, String peer, int disk, List<NodeOrder.Place> members) {}

    /// The file in `directory`, null where there is none.
    ///
    /// @throws CisternException CORRUPT, INVALID (too new), IO
    static @Nullable NodeFile load(Path directory) {
        Path file = directory.resolve(FILE);
        if (!Files.exists(file)) {
            return null;
        }
        NodeFile loaded;
        try {
            loaded = Json.parse(NodeFile.class, Files.readAllBytes(file), file.toString());
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot read " + file + ": " + e, e);
        } catch (CisternException e) {
            throw new CisternException(ErrorCode.CORRUPT, String.valueOf(e.getMessage()), e);
        }
        if (loaded.format != FORMAT) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    file + " has format " + loaded.format + ", this program knows " + FORMAT);
        }
        return loaded;
    }

    /// Durable on return.
    ///
    /// @throws CisternException IO
    void store(Path directory) {
        Path file = directory.resolve(FILE);
        Path temporary = directory.resolve(FILE + ".tmp");
        try {
            Files.createDirectories(directory);
            try (FileChannel out =
                    FileChannel.open(
                            temporary,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.TRUNCATE_EXISTING,
                            StandardOpenOption.WRITE)) {
                ByteBuffer bytes = ByteBuffer.wrap(Json.bytes(NodeFile.class, this));
                while (bytes.hasRemaining()) {
                    out.write(bytes);
                }
                out.force(true);
            }
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
            try (FileChannel parent = FileChannel.open(directory, StandardOpenOption.READ)) {
                parent.force(true);
            }
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot write " + file + ": " + e, e);
        }
    }

    @Nullable LocalReplica replica(long group) {
        for (LocalReplica replica : replicas) {
            if (replica.group == group) {
                return replica;
            }
        }
        return null;
    }

    NodeFile with(LocalReplica added) {
        List<LocalReplica> changed = new ArrayList<>(replicas);
        changed.add(added);
        return new NodeFile(
                format, clusterId, name, disks, List.copyOf(changed), nodes, next, former);
    }

    NodeFile without(String peer) {
        return new NodeFile(
                format,
                clusterId,
                name,
                disks,
                replicas.stream().filter(r -> !r.peer.equals(peer)).toList(),
                nodes,
                next,
                former);
    }

    NodeFile withDisks(List<LocalDisk> changed) {
        return new NodeFile(
                format, clusterId, name, List.copyOf(changed), replicas, nodes, next, former);
    }

    NodeFile withNodes(SortedMap<String, String> changed) {
        return new NodeFile(format, clusterId, name, disks, replicas, changed, next, former);
    }

    NodeFile withNext(String id) {
        return new NodeFile(format, clusterId, name, disks, replicas, nodes, id, former);
    }
}
