package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Halt;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.RaftHost;
import io.cistern.storage.Disk;
import io.cistern.storage.DiskConfig;
import io.cistern.storage.group.GroupHost;
import io.cistern.volume.NodeConfig;
import io.cistern.volume.node.NodeFile.LocalDisk;
import io.cistern.volume.node.NodeFile.LocalReplica;
import io.cistern.volume.system.SystemStateMachine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What is on this node's disks: its file, its replicas. Methods that change something are called
/// by one thread at a time.
final class LocalNode implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(LocalNode.class);

    private final Path home;
    private final Map<Integer, Disk> disks = new ConcurrentSkipListMap<>();
    private final Map<Integer, String> diskErrors = new ConcurrentSkipListMap<>();
    private final NodeConfig config;
    private final Halt halt;
    private final OldLogs oldLogs;

    /// Of a witness: the disks of others have locks of their own.
    private final @Nullable HomeLock lock;

    private volatile NodeFile file;
    private volatile @Nullable SystemGroup system;
    private volatile @Nullable String systemQuarantine;

    /// @param file as stored in `home`
    LocalNode(Path home, NodeFile file, NodeConfig config, Halt halt) {
        this.home = home;
        this.file = file;
        this.config = config;
        this.halt = halt;
        this.oldLogs =
                new OldLogs(
                        home,
                        () -> this.file,
                        config.tuning().keepLogsMillis(),
                        InstantSource.system());
        this.lock = file.witness() ? HomeLock.take(home) : null;
        for (LocalDisk disk : file.disks()) {
            try {
                requireFormatted(disk);
                openDisk(disk);
            } catch (CisternException e) {
                if (disk.number() == 0) {
                    closeDisks();
                    throw e;
                }
                log.error("disk {} is out of use: {}", disk.path(), e.getMessage());
                diskErrors.put(disk.number(), String.valueOf(e.getMessage()));
            }
        }
    }

    /// Makes a directory a disk of the node, if it is not one.
    static void format(NodeFile file, LocalDisk disk) {
        DiskConfig how = diskConfig(file, disk);
        if (!Disk.isDisk(how.directory())) {
            Disk.format(how).close();
        }
    }

    /// A disk in the node's file was formatted before it came there. Where there is nothing now, it
    /// is not mounted, or another was put in its place: what the file says was on it is not there,
    /// and must not come back empty under its old identity.
    private void requireFormatted(LocalDisk disk) {
        if (!Disk.isDisk(diskConfig(file, disk).directory())) {
            String id = file.name() + "/" + disk.number();
            throw new CisternException(
                    ErrorCode.INVALID,
                    disk.path()
                            + " does not hold disk "
                            + id
                            + ": is its file system mounted? "
                            + (disk.number() == 0
                                    ? "If its data is lost, empty the directory as a whole and start the node again"
                                    : "If it was replaced, run 'cistern disk remove "
                                            + id
                                            + "', then 'cistern disk add'"));
        }
    }

    private static DiskConfig diskConfig(NodeFile file, LocalDisk disk) {
        return DiskConfig.of(Path.of(disk.path()), UUID.fromString(file.clusterId()), file.name())
                .withCapacity(disk.sizeBytes());
    }

    private void openDisk(LocalDisk disk) {
        DiskConfig how =
                diskConfig(file, disk).withCache(config.tuning().cacheBytes()).withHalt(halt);
        disks.put(disk.number(), Disk.isDisk(how.directory()) ? open(disk, how) : Disk.format(how));
    }

    private Disk open(LocalDisk disk, DiskConfig how) {
        try {
            return Disk.open(how);
        } catch (CisternException e) {
            if (e.code() != ErrorCode.CORRUPT) {
                throw e;
            }
            log.error(
                    "disk {} is damaged and set aside, its replicas will be rebuilt from the others: {}",
                    disk.path(),
                    e.getMessage());
            giveUp(disk);
            return Disk.replace(how);
        }
    }

    /// Forgets the replicas of data groups that were on a disk, and sets their logs aside: they
    /// never come back under their old identities.
    private void giveUp(LocalDisk disk) {
        for (LocalReplica replica : file.replicas()) {
            if (replica.group() != 0 && replica.disk() == disk.number()) {
                store(file.without(replica.peer()));
                GroupId group = new GroupId(replica.group());
                Path path = RaftHost.directory(home, group, replica.peer());
                try {
                    if (Files.exists(path)) {
                        Files.move(path, path.resolveSibling(replica.peer() + ".quarantine-disk"));
                    }
                } catch (IOException e) {
                    throw new CisternException(
                            ErrorCode.IO, "cannot set " + path + " aside: " + e, e);
                }
            }
        }
    }

    NodeFile file() {
        return file;
    }

    OldLogs oldLogs() {
        return oldLogs;
    }

    Map<Integer, Disk> disks() {
        return disks;
    }

    Map<Integer, String> diskErrors() {
        return diskErrors;
    }

    /// This node's replica of the system group, null where it has none.
    @Nullable SystemGroup system() {
        return system;
    }

    /// Why its replica of the system group is out of use, null if it is not.
    @Nullable String systemQuarantine() {
        return systemQuarantine;
    }

    private void store(NodeFile changed) {
        try {
            changed.store(home);
        } catch (CisternException e) {
            halt.halt("cannot write the node's own file", e);
            throw e;
        }
        file = changed;
    }

    void knowNodes(Map<String, String> nodes) {
        if (!nodes.equals(file.nodes())) {
            store(file.withNodes(new TreeMap<>(nodes)));
        }
    }

    /// Remembers the cluster's format level, so that an older program does not start here.
    void knowLevel(int level) {
        if (level > file.level()) {
            store(file.withLevel(level));
        }
    }

    /// Takes a disk into use. ALREADY_EXISTS where its number is known.
    void addDisk(LocalDisk disk) {
        openDisk(disk);
        List<LocalDisk> all = new ArrayList<>(file.disks());
        all.add(disk);
        store(file.withDisks(all));
    }

    void diskFailed(int number, String reason) {
        diskErrors.put(number, reason);
    }

    /// Closes a disk on which there is nothing any more.
    void removeDisk(int number) {
        store(file.withDisks(file.disks().stream().filter(d -> d.number() != number).toList()));
        diskErrors.remove(number);
        Disk gone = disks.remove(number);
        if (gone != null) {
            gone.close();
        }
    }

    /// How the replica of the system group is made and reached.
    record SystemParts(
            RaftHost raft, Function<Peer, CompletableFuture<byte[]>> fetch, Runnable changed) {}

    /// Opens this node's replica of the system group. Where it is damaged it stays closed, and
    /// [#systemQuarantine] tells why.
    void openSystem(LocalReplica replica, SystemParts parts) {
        Path directory = home.resolve("system").resolve(replica.peer());
        SystemStateMachine machine = null;
        try {
            machine = new SystemStateMachine(directory, parts.fetch, halt::halt, parts.changed);
            RaftGroup group =
                    parts.raft.open(
                            GroupId.SYSTEM, replica.peer(), peers(replica.members()), machine);
            system = new SystemGroup(group, machine);
            systemQuarantine = null;
        } catch (CisternException e) {
            if (machine != null) {
                machine.close();
            }
            if (e.code() != ErrorCode.CORRUPT) {
                throw e;
            }
            log.error(
                    "replica {} of the system group is out of use: {}",
                    replica.peer(),
                    e.getMessage());
            systemQuarantine = String.valueOf(e.getMessage());
        }
    }

    /// Where replicas of data groups run.
    record Replicas(GroupHost data, WitnessReplicas witnesses) {}

    /// Opens a replica of a data group; nothing happens where its disk is out of use.
    void openData(LocalReplica replica, Replicas hosts) {
        if (Peer.isWitness(replica.peer())) {
            hosts.witnesses.open(replica);
            return;
        }
        GroupHost host = hosts.data;
        Disk disk = disks.get(replica.disk());
        if (disk != null) {
            host.open(new GroupId(replica.group()), disk, replica.peer(), peers(replica.members()));
        }
    }

    /// Remembers a replica, before it is opened.
    void remember(LocalReplica replica) {
        store(file.with(replica));
    }

    /// Deletes a replica of a data group.
    void dropData(LocalReplica replica, Replicas hosts) {
        if (Peer.isWitness(replica.peer())) {
            hosts.witnesses.drop(replica);
            store(file.without(replica.peer()));
            return;
        }
        GroupHost host = hosts.data;
        Disk disk = disks.get(replica.disk());
        if (disk != null) {
            host.remove(new GroupId(replica.group()), disk);
        } else {
            host.close(new GroupId(replica.group()));
        }
        store(file.without(replica.peer()));
    }

    /// Deletes this node's replica of the system group.
    void dropSystem(LocalReplica replica, RaftHost raft) {
        SystemGroup open = system;
        system = null;
        systemQuarantine = null;
        raft.remove(GroupId.SYSTEM);
        if (open != null) {
            open.machine().discard();
        }
        store(file.without(replica.peer()));
    }

    static List<Peer> peers(List<NodeOrder.Place> places) {
        return places.stream()
                .map(p -> new Peer(p.peer(), p.node(), Addresses.parse(p.raft()), 0))
                .toList();
    }

    private void closeDisks() {
        disks.values().forEach(Disk::close);
        disks.clear();
    }

    @Override
    public void close() {
        SystemGroup open = system;
        system = null;
        if (open != null) {
            open.close();
        }
        closeDisks();
        if (lock != null) {
            lock.close();
        }
    }
}
