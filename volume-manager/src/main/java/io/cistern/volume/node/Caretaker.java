package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.RaftHost;
import io.cistern.storage.group.GroupHost;
import io.cistern.volume.NodeConfig;
import io.cistern.volume.node.LocalNode.SystemParts;
import io.cistern.volume.node.NodeFile.LocalDisk;
import io.cistern.volume.node.NodeFile.LocalReplica;
import io.cistern.volume.system.Level;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Disk;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Role;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Makes this node what the system state says it should be: announces itself, opens and deletes
/// replicas and disks. Steps are idempotent; one that fails is tried again at the next.
final class Caretaker {
    private static final Logger log = LoggerFactory.getLogger(Caretaker.class);

    private final NodeConfig config;
    private final Self self;
    private final LocalNode local;
    private final Cluster cluster;
    private final LocalNode.Replicas hosts;
    private final GroupHost host;
    private final RaftHost raft;
    private final SystemParts systemParts;
    private boolean removed;
    private boolean tooOld;
    private boolean offered;

    /// This node's addresses, as bound.
    record Self(String wire, String raft) {}

    /// The replicas' hosts.
    record Hosts(LocalNode.Replicas data, SystemParts system) {}

    Caretaker(NodeConfig config, Self self, LocalNode local, Cluster cluster, Hosts hosts) {
        this.config = config;
        this.self = self;
        this.local = local;
        this.cluster = cluster;
        this.hosts = hosts.data;
        this.host = hosts.data.data();
        this.systemParts = hosts.system;
        this.raft = hosts.system.raft();
    }

    /// Goes on towards `state`. Blocks; called by one thread.
    void step(SystemState state) {
        Node me = state.nodes().get(config.name());
        if (state.clusterId().isEmpty()) {
            return;
        }
        if (me == null) {
            if (!removed) {
                log.warn("node {} is not part of the cluster any more: stop it", config.name());
            }
            removed = true;
            return;
        }
        removed = false;
        if (state.level() > Level.NEWEST) {
            // Its disk was empty, else it would not have started.
            if (!tooOld) {
                log.error(
                        "the cluster is at format level {}, and this program knows levels up to {}: node {} takes no part; install the release that the other nodes run",
                        state.level(),
                        Level.NEWEST,
                        config.name());
            }
            tooOld = true;
            return;
        }
        host.limitCopies(state.policy().copyBytesPerSecond());
        local.knowLevel(state.level());
        Levels.use(host, local.file().level());
        attempt("announce this node", () -> announce(me));
        if (config.iscsi() != null && !state.targets().numbers().containsKey(config.name())) {
            attempt("get a number for the iSCSI portal", this::number);
        }
        attempt("remember the nodes", () -> rememberNodes(state));
        attempt("offer disks", () -> offerDisks(me));
        for (Disk disk : me.disks()) {
            attempt("take disk " + disk.path() + " into use", () -> disk(disk));
        }
        // The system group last: it is small, and what the others hold is copied meanwhile.
        for (Group group : state.groups().reversed().values()) {
            for (Replica replica : group.replicas()) {
                if (replica.node().equals(config.name())) {
                    attempt("open " + replica.peer(), () -> replica(state, group, replica));
                }
            }
        }
        attempt("delete what has left", () -> forget(state));
        attempt("delete old logs", () -> local.oldLogs().tidy(state, host::status));
    }

    private static void attempt(String what, Runnable step) {
        try {
            step.run();
        } catch (CisternException e) {
            log.warn("cannot {} yet: {}", what, e.getMessage());
        }
    }

    private void announce(Node me) {
        boolean same =
                me.zone().equals(config.zone())
                        && me.api().equals(config.api())
                        && me.wire().equals(self.wire)
                        && me.raft().equals(self.raft)
                        && Objects.equals(me.iscsi(), config.iscsi())
                        && Objects.equals(me.nfs(), config.nfs());
        if (!same) {
            cluster.system()
                    .propose(
                            new SystemCommand.AnnounceNode(
                                    Cluster.request(),
                                    config.name(),
                                    config.zone(),
                                    config.api(),
                                    self.wire,
                                    self.raft,
                                    config.iscsi(),
                                    config.nfs()),
                            Cluster.CONTROL);
        }
    }

    private void number() {
        cluster.system()
                .propose(
                        new SystemCommand.NumberNode(Cluster.request(), config.name()),
                        Cluster.CONTROL);
    }

    /// Disks that the configuration lists and the cluster does not know; the first one has been
    /// known since the node was formed. Once in the life of the process: a disk that is removed
    /// later stays removed.
    private void offerDisks(Node me) {
        if (offered) {
            return;
        }
        for (NodeConfig.DiskSpec spec : config.disks().subList(1, config.disks().size())) {
            String path = spec.path().toAbsolutePath().toString();
            if (me.disks().stream().noneMatch(d -> d.path().equals(path))) {
                cluster.system()
                        .propose(
                                new SystemCommand.AddDisk(
                                        Cluster.request(), config.name(), path, spec.sizeBytes()),
                                Cluster.CONTROL);
            }
        }
        offered = true;
    }

    private void rememberNodes(SystemState state) {
        TreeMap<String, String> nodes = new TreeMap<>();
        state.nodes().values().forEach(node -> nodes.put(node.name(), node.wire()));
        local.knowNodes(nodes);
    }

    private void disk(Disk disk) {
        boolean known =
                local.disks().containsKey(disk.number())
                        || local.diskErrors().containsKey(disk.number());
        if (known) {
            return;
        }
        try {
            local.addDisk(new LocalDisk(disk.number(), disk.path(), disk.sizeBytes()));
        } catch (CisternException e) {
            local.diskFailed(disk.number(), String.valueOf(e.getMessage()));
            throw e;
        }
    }

    private void replica(SystemState state, Group group, Replica replica) {
        LocalReplica here = local.file().replica(group.id());
        if (replica.role() == Role.RETIRED
                || (here != null && here.peer().equals(replica.peer()))) {
            return;
        }
        boolean first = replica.role() == Role.VOTER && !group.ready();
        if (!first && replica.role() != Role.LEARNER) {
            return; // its files are lost: the leader replaces it
        }
        if (here != null) {
            if (!spent(state, group, here)) {
                return;
            }
            drop(here);
        }
        LocalReplica added =
                new LocalReplica(
                        group.id(),
                        replica.peer(),
                        replica.disk(),
                        first ? places(state, group.voters()) : List.of());
        local.remember(added);
        log.info("opening {} of g{}", replica.peer(), group.id());
        if (group.id() == 0) {
            local.openSystem(added, systemParts);
        } else {
            local.openData(added, hosts);
        }
    }

    /// True where a replica here may be deleted to make place for another of its group: it is out
    /// of use or out of the group, or its disk is to be emptied.
    private boolean spent(SystemState state, Group group, LocalReplica here) {
        Replica known = group.replica(here.peer());
        if (known == null) {
            return state.issued(group.id(), here.peer());
        }
        Node me = state.nodes().get(config.name());
        boolean emptied =
                me != null
                        && me.disks().stream()
                                .anyMatch(d -> d.number() == here.disk() && d.draining());
        boolean damaged =
                here.group() == 0
                        ? local.systemQuarantine() != null
                        : local.diskErrors().containsKey(here.disk())
                                || hosts.witnesses().quarantined(here.peer()) != null
                                || host.status().stream()
                                        .anyMatch(s ->
                                                s.peer().equals(here.peer())
                                                        && s.quarantined() != null);
        return emptied || damaged;
    }

    private void drop(LocalReplica replica) {
        log.info("deleting {} of g{}", replica.peer(), replica.group());
        if (replica.group() == 0) {
            local.dropSystem(replica, raft);
        } else {
            local.dropData(replica, hosts);
        }
    }

    /// Deletes replicas and closes disks that the state does not list, after asking for the newest
    /// state of all. A replica that it has never given out is kept: then it is the state that lacks
    /// something, and the replica may be all there is of its group; `status` tells.
    private void forget(SystemState known) {
        if (gone(known).isEmpty() && lostDisks(known).isEmpty()) {
            return;
        }
        SystemState state = cluster.fresh();
        for (LocalReplica replica : gone(state)) {
            drop(replica);
        }
        for (int disk : lostDisks(state)) {
            local.removeDisk(disk);
        }
    }

    private List<LocalReplica> gone(SystemState state) {
        List<LocalReplica> gone = new ArrayList<>();
        for (LocalReplica replica : local.file().replicas()) {
            if (!state.lists(replica.group(), replica.peer())
                    && state.issued(replica.group(), replica.peer())) {
                gone.add(replica);
            }
        }
        return gone;
    }

    private List<Integer> lostDisks(SystemState state) {
        Node me = state.nodes().get(config.name());
        Set<Integer> listed = new HashSet<>();
        if (me != null) {
            me.disks().forEach(d -> listed.add(d.number()));
        }
        return local.file().disks().stream()
                .map(LocalDisk::number)
                .filter(number ->
                        number != 0
                                && me != null
                                && number < me.nextDisk()
                                && !listed.contains(number))
                .toList();
    }

    static List<NodeOrder.Place> places(SystemState state, List<Replica> replicas) {
        List<NodeOrder.Place> places = new ArrayList<>();
        for (Replica replica : replicas) {
            @Nullable Node node = state.nodes().get(replica.node());
            if (node == null) {
                throw new CisternException(
                        ErrorCode.NOT_FOUND, "node " + replica.node() + " is not known");
            }
            places.add(new NodeOrder.Place(replica.peer(), replica.node(), node.raft()));
        }
        return places;
    }
}
