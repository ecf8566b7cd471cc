package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Peer;
import io.cistern.raft.SoleMember;
import io.cistern.storage.Disk;
import io.cistern.volume.NodeConfig;
import io.cistern.volume.node.NodeFile.LocalDisk;
import io.cistern.volume.node.NodeFile.LocalReplica;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.TreeMap;
import java.util.UUID;

/// Makes a cluster of what one node holds, for the day on which the majority of the nodes is lost
/// for good. The node is stopped meanwhile.
///
/// What only lost replicas had acknowledged, and every volume without a replica here, is lost. The
/// cluster gets a new id, so that lost nodes that turn up again are refused by it, whatever they
/// hold: a node of the old cluster has to be emptied before it can join.
///
/// Each step may be repeated, and a node in which not all are done refuses to start: `node.json`
/// names the new id before anything else is changed, and takes it on after everything else was.
public final class Rescue {
    private Rescue() {}

    /// @param groups with a replica here, "g0" being the cluster's own metadata
    public record Found(String node, String clusterId, List<String> groups) {}

    /// What a node holds.
    ///
    /// @throws CisternException NOT_FOUND: no node there; INVALID: it is a witness, or has no
    ///   replica of the system group
    public static Found look(NodeConfig config) {
        NodeFile file = load(config);
        return new Found(
                file.name(),
                file.clusterId(),
                file.replicas().stream().map(r -> "g" + r.group()).sorted().toList());
    }

    private static NodeFile load(NodeConfig config) {
        Path home = config.disks().getFirst().path();
        NodeFile file = NodeFile.load(home);
        if (file == null) {
            throw new CisternException(ErrorCode.NOT_FOUND, "there is no node in " + home);
        }
        if (file.witness()) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "node '"
                            + file.name()
                            + "' is a witness: it holds nothing of any volume; use a node with data");
        }
        if (file.replica(0) == null) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "node '"
                            + file.name()
                            + "' has no replica of the system group, which knows the volumes' names; use a node that has");
        }
        return file;
    }

    /// Leaves out replicas that had no vote yet: what they hold may be incomplete.
    ///
    /// @throws CisternException CORRUPT before anything was changed
    private static NodeFile ofVoters(NodeFile file, Path home) {
        NodeFile voters = file;
        for (LocalReplica replica : file.replicas()) {
            if (!SoleMember.possible(home, new GroupId(replica.group()), replica.peer())) {
                voters = voters.without(replica.peer());
            }
        }
        if (voters.replica(0) == null) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "this node's replica of the system group had not caught up; use another node");
        }
        return voters;
    }

    /// Does it. Blocks.
    ///
    /// @return the new cluster id
    /// @throws CisternException BUSY: the node runs; CORRUPT: a replica here is damaged; IO
    public static String run(NodeConfig config) {
        Path home = config.disks().getFirst().path();
        NodeFile file = load(config);
        // The superblocks are locked where the node runs: these come first.
        for (LocalDisk disk : file.disks()) {
            Disk.requireUnused(Path.of(disk.path()));
        }
        String next = file.next();
        if (next == null) {
            file = ofVoters(file, home);
            next = UUID.randomUUID().toString();
            file = file.withNext(next);
            file.store(home);
        }
        for (LocalReplica replica : file.replicas()) {
            Peer self = new Peer(replica.peer(), file.name(), config.raft(), 0);
            SoleMember.make(home, new GroupId(replica.group()), self, file.clusterId(), next);
        }
        for (LocalDisk disk : file.disks()) {
            Disk.adopt(
                    Path.of(disk.path()), UUID.fromString(file.clusterId()), UUID.fromString(next));
        }
        TreeMap<String, String> nodes = new TreeMap<>();
        nodes.put(file.name(), Addresses.text(config.wire()));
        List<String> former = new ArrayList<>(Objects.requireNonNullElse(file.former(), List.of()));
        former.add(file.clusterId());
        new NodeFile(
                        file.format(),
                        next,
                        file.name(),
                        file.disks(),
                        file.replicas(),
                        nodes,
                        null,
                        List.copyOf(former))
                .store(home);
        return next;
    }
}
