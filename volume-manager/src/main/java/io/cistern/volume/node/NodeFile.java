package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.Crc32c;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import io.cistern.volume.system.Level;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What a node knows by itself when it starts: whose it is and which replicas it holds. The file
/// `node.json` on its first disk; replaced as a whole (temporary name, fsync, rename, fsync of the
/// directory).
///
/// JSON: `format`: 1 more than the format level that the cluster has reached, as known here, so
/// that an older program refuses it, `clusterId`, `name`, `disks` (number, path, sizeBytes),
/// `replicas` (group, peer, disk, members: the voters it was created with, empty where it joined),
/// `nodes`, `next` and `former` where the cluster was made anew of one node, see [Rescue]; and last
/// `crc32c`, eight hexadecimal digits: the CRC32C of all bytes before the comma in front of it.
///
/// @param disks none on a witness, else at least one
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
    /// Of a cluster at level 0.
    static final int FORMAT = 1;

    static final String FILE = "node.json";

    /// What [#FILE] holds, once more: without it a flipped bit would keep the node from starting.
    static final String COPY = "node.json.copy";

    private static final Logger log = LoggerFactory.getLogger(NodeFile.class);
    private static final String SUM_START = ",\"crc32c\":\"";
    private static final int SUM_BYTES = SUM_START.length() + 8 + 2;

    record LocalDisk(int number, String path, long sizeBytes) {}

    record LocalReplica(long group, String peer, int disk, List<NodeOrder.Place> members) {}

    /// The file in `directory`, null where there is none. Where it is damaged or missing its copy
    /// stands in; see [#mend].
    ///
    /// @throws CisternException CORRUPT: neither is sound; INVALID (too new), IO
    static @Nullable NodeFile load(Path directory) {
        Path file = directory.resolve(FILE);
        Path copy = directory.resolve(COPY);
        try {
            byte[] stored = Files.exists(file) ? Files.readAllBytes(file) : null;
            byte[] second = Files.exists(copy) ? Files.readAllBytes(copy) : null;
            if (stored == null && second == null) {
                return null;
            }
            NodeFile loaded = null;
            CisternException damage = null;
            try {
                loaded = stored == null ? null : decode(stored, file);
            } catch (CisternException e) {
                if (e.code() == ErrorCode.INVALID) {
                    throw e; // too new: the copy may be from before
                }
                damage = e;
            }
            if (loaded == null && second == null && damage != null) {
                throw damage;
            }
            if (loaded == null && second != null) {
                log.warn("{} is damaged or missing: {} is used", file, copy);
                loaded = decode(second, copy);
            }
            return loaded;
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot read " + file + ": " + e, e);
        }
    }

    private static NodeFile decode(byte[] bytes, Path file) {
        NodeFile loaded;
        try {
            checkSum(bytes, file);
            loaded = Json.parse(NodeFile.class, bytes, file.toString());
        } catch (CisternException e) {
            throw new CisternException(ErrorCode.CORRUPT, String.valueOf(e.getMessage()), e);
        }
        if (loaded.format < FORMAT) {
            throw new CisternException(
                    ErrorCode.CORRUPT, file + " is damaged: it has format " + loaded.format);
        }
        Level.require(loaded.level(), Level.NEWEST, "the cluster of " + file);
        return loaded;
    }

    /// Files of earlier programs have no checksum.
    private static void checkSum(byte[] bytes, Path file) {
        int at = bytes.length - SUM_BYTES;
        if (at < 1 || !text(bytes, at, SUM_START.length()).equals(SUM_START)) {
            return;
        }
        if (!text(bytes, at, SUM_BYTES).equals(sum(Arrays.copyOf(bytes, at)))) {
            throw new CisternException(
                    ErrorCode.CORRUPT, file + " is damaged: its checksum does not match");
        }
    }

    private static String text(byte[] bytes, int from, int length) {
        return new String(bytes, from, length, StandardCharsets.ISO_8859_1);
    }

    private static String sum(byte[] body) {
        return String.format(Locale.ROOT, "%s%08x\"}", SUM_START, Crc32c.of(body, 0, body.length));
    }

    /// Writes file and copy anew where one of them is not as it should be. For the node alone.
    ///
    /// @throws CisternException IO
    void mend(Path directory) {
        byte[] all = encode();
        try {
            for (String name : List.of(FILE, COPY)) {
                Path path = directory.resolve(name);
                if (!Files.exists(path) || !Arrays.equals(Files.readAllBytes(path), all)) {
                    store(directory);
                    return;
                }
            }
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot read " + directory.resolve(FILE) + ": " + e, e);
        }
    }

    private byte[] encode() {
        byte[] json = Json.bytes(NodeFile.class, this);
        byte[] body = Arrays.copyOf(json, json.length - 1); // without the last brace
        byte[] sum = sum(body).getBytes(StandardCharsets.ISO_8859_1);
        byte[] all = Arrays.copyOf(body, body.length + sum.length);
        System.arraycopy(sum, 0, all, body.length, sum.length);
        return all;
    }

    /// Durable on return.
    ///
    /// @throws CisternException IO
    void store(Path directory) {
        byte[] all = encode();
        try {
            DurableFiles.createDirectories(directory);
            DurableFiles.replace(directory.resolve(FILE), all);
            DurableFiles.replace(directory.resolve(COPY), all);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot write " + directory.resolve(FILE) + ": " + e, e);
        }
    }

    /// The cluster's format level, as last known here.
    int level() {
        return format - FORMAT;
    }

    NodeFile withLevel(int level) {
        return new NodeFile(FORMAT + level, clusterId, name, disks, replicas, nodes, next, former);
    }

    /// See [io.cistern.volume.NodeConfig#witness].
    boolean witness() {
        return disks.isEmpty();
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
