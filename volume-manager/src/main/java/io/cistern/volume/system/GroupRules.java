package io.cistern.volume.system;

import io.cistern.block.ErrorCode;
import io.cistern.raft.Peer;
import io.cistern.volume.system.SystemCommand.Place;
import io.cistern.volume.system.SystemRules.Refused;
import io.cistern.volume.system.SystemRules.Step;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Role;
import java.util.ArrayList;
import java.util.List;

/// Commands about groups and their replicas.
final class GroupRules {
    private GroupRules() {}

    static Step create(SystemState s, SystemCommand.CreateGroup c) {
        int witnesses = 0;
        for (Place place : c.places()) {
            witnesses += NodeRules.node(s, place.node()).witness() ? 1 : 0;
        }
        int wanted = c.places().size() - witnesses;
        boolean full = witnesses == 0 && (wanted == 1 || wanted == 3 || wanted == 5);
        if (!full && !(witnesses == 1 && wanted == Group.WITNESSED_REPLICAS)) {
            throw new Refused(
                    ErrorCode.INVALID,
                    "a group has 1, 3 or 5 replicas, or 2 and a witness, not "
                            + wanted
                            + " and "
                            + witnesses
                            + " witnesses");
        }
        if (c.places().stream().map(Place::node).distinct().count() != c.places().size()) {
            throw new Refused(ErrorCode.INVALID, "replicas of a group belong on distinct nodes");
        }
        if (s.groups().size() >= SystemState.MAX_GROUPS) {
            throw new Refused(
                    ErrorCode.LIMIT,
                    "the cluster has " + SystemState.MAX_GROUPS + " groups, its most");
        }
        SystemState changed = s;
        List<Replica> replicas = new ArrayList<>();
        for (Place place : c.places()) {
            replicas.add(replica(changed, s.nextGroup(), place, Role.VOTER));
            changed = bump(changed, place.node());
        }
        Group group = new Group(s.nextGroup(), wanted, false, List.copyOf(replicas));
        return Step.of(changed.withGroup(group), group.id());
    }

    static Step ready(SystemState s, SystemCommand.GroupReady c) {
        Group group = group(s, c.group());
        return Step.done(
                s.withGroup(new Group(group.id(), group.wanted(), true, group.replicas())));
    }

    static Step addReplica(SystemState s, SystemCommand.AddReplica c) {
        Group group = group(s, c.group());
        if (group.replicas().stream().anyMatch(r -> r.role() == Role.LEARNER)) {
            throw new Refused(ErrorCode.BUSY, "g" + group.id() + " takes in a replica already");
        }
        Replica added = replica(s, group.id(), c.place(), Role.LEARNER);
        if (added.witness() && group.wantedWitnesses() == 0) {
            throw new Refused(ErrorCode.INVALID, "g" + group.id() + " has no witness");
        }
        List<Replica> replicas = new ArrayList<>(group.replicas());
        replicas.add(added);
        SystemState changed = bump(s, c.place().node()).withGroup(group.withReplicas(replicas));
        return Step.of(changed, generation(s, c.place().node()));
    }

    static Step promote(SystemState s, SystemCommand.PromoteReplica c) {
        Group group = group(s, c.group());
        Replica learner = replica(group, c.peer());
        if (learner.role() == Role.RETIRED) {
            throw new Refused(ErrorCode.INVALID, c.peer() + " has left g" + group.id());
        }
        List<Replica> replicas = new ArrayList<>(group.replicas());
        replicas.replaceAll(r ->
                r.peer().equals(c.peer())
                        ? r.withRole(Role.VOTER)
                        : r.peer().equals(c.retired()) ? r.withRole(Role.RETIRED) : r);
        long voters = replicas.stream().filter(r -> r.role() == Role.VOTER).count();
        long witnesses =
                replicas.stream().filter(r -> r.role() == Role.VOTER && r.witness()).count();
        if (witnesses > 1) {
            // What two of three acknowledge would be nowhere.
            throw new Refused(ErrorCode.INVALID, "g" + group.id() + " has a witness already");
        }
        int wanted = group.id() == 0 ? (int) voters : group.wanted();
        return Step.done(
                s.withGroup(new Group(group.id(), wanted, group.ready(), List.copyOf(replicas))));
    }

    static Step retire(SystemState s, SystemCommand.RetireReplica c) {
        Group group = group(s, c.group());
        replica(group, c.peer());
        List<Replica> replicas = new ArrayList<>(group.replicas());
        replicas.replaceAll(r -> r.peer().equals(c.peer()) ? r.withRole(Role.RETIRED) : r);
        if (replicas.stream().noneMatch(r -> r.role() == Role.VOTER)) {
            throw new Refused(ErrorCode.INVALID, c.peer() + " is the last voter of g" + group.id());
        }
        return Step.done(s.withGroup(group.withReplicas(replicas)));
    }

    static Step removeReplica(SystemState s, SystemCommand.RemoveReplica c) {
        Group group = group(s, c.group());
        Replica gone = group.replica(c.peer());
        if (gone == null) {
            return Step.done(s);
        }
        if (gone.role() != Role.RETIRED) {
            throw new Refused(ErrorCode.BUSY, c.peer() + " still belongs to g" + group.id());
        }
        List<Replica> replicas = new ArrayList<>(group.replicas());
        replicas.remove(gone);
        return Step.done(s.withGroup(group.withReplicas(replicas)));
    }

    private static Replica replica(SystemState s, long group, Place place, Role role) {
        Node node = NodeRules.node(s, place.node());
        if (node.witness() && group != 0) {
            String id = Peer.witnessId(node.name(), node.nextGeneration());
            return new Replica(id, node.name(), 0, role);
        }
        if (!node.witness()) {
            NodeRules.disk(node, place.disk());
        }
        return new Replica(
                node.name() + "." + node.nextGeneration(), node.name(), place.disk(), role);
    }

    private static long generation(SystemState s, String node) {
        return NodeRules.node(s, node).nextGeneration();
    }

    private static SystemState bump(SystemState s, String name) {
        Node node = NodeRules.node(s, name);
        return s.withNode(node.withNextGeneration(node.nextGeneration() + 1));
    }

    private static Group group(SystemState s, long id) {
        Group group = s.groups().get(id);
        if (group == null) {
            throw new Refused(ErrorCode.NOT_FOUND, "there is no group g" + id);
        }
        return group;
    }

    private static Replica replica(Group group, String peer) {
        Replica replica = group.replica(peer);
        if (replica == null) {
            throw new Refused(ErrorCode.NOT_FOUND, "g" + group.id() + " has no replica " + peer);
        }
        return replica;
    }
}
