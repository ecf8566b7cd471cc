package io.cistern.chaos.sim;

import io.cistern.chaos.sim.SimCluster.Node;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.SimRaft;
import java.time.Duration;
import java.util.List;

/// Brings [Fault]s about.
final class Nemesis {
    private static final int HAND_OVER_TRIES = 10;
    private static final long HAND_OVER_PAUSE_NANOS = 8_000_000;
    private static final List<String> CLIENTS =
            List.of("c0", "c1", "c2", "c3", "admin", "dependent");
    private static final List<String> ALL =
            List.of("n0", "n1", "n2", "c0", "c1", "c2", "c3", "admin", "dependent");

    private final Sim sim;
    private final SimCluster cluster;
    private final Workload workload;
    private final boolean beyond;
    private int done;
    private boolean over;

    /// @param beyond see [SimRun.Plan]
    Nemesis(Sim sim, SimCluster cluster, Workload workload, boolean beyond) {
        this.beyond = beyond;
        this.sim = sim;
        this.cluster = cluster;
        this.workload = workload;
    }

    void schedule(List<Fault> faults) {
        for (Fault fault : faults) {
            sim.after(
                    sim.harness(),
                    fault.at(),
                    () -> {
                        if (!over) {
                            strike(fault);
                        }
                    });
        }
    }

    void end() {
        over = true;
    }

    /// Faults that came about.
    int done() {
        return done;
    }

    private Node target(Fault fault) {
        Node leader = fault.node() < 0 ? cluster.leaderNode() : null;
        return leader != null ? leader : cluster.node(Math.max(0, fault.node()));
    }

    private void later(long nanos, Runnable task) {
        sim.after(sim.harness(), nanos, task);
    }

    private void strike(Fault fault) {
        Node node = target(fault);
        if (!beyond && cluster.rebuilding() && !cluster.keepsLog() && !node.lost()) {
            // With one replica gone and another behind the log there is one copy: that is more
            // than a group is made to bear.
            return;
        }
        done++;
        switch (fault.kind()) {
            case KILL -> cluster.kill(node, false, fault.nanos());
            case POWER -> cluster.kill(node, true, fault.nanos());
            case POWER_ALL ->
                    cluster.nodes()
                            .forEach(n ->
                                    cluster.kill(
                                            n,
                                            true,
                                            fault.nanos() / 2 + sim.between(0, fault.nanos())));
            case FREEZE -> {
                Machine machine = node.machine();
                if (machine != null) {
                    cluster.event(node.name() + " freezes");
                    machine.freeze(fault.nanos() * 2);
                }
            }
            case ISOLATE -> cut(node, true, true, fault.nanos());
            case DEAF -> cut(node, true, false, fault.nanos());
            case MUTE -> cut(node, false, true, fault.nanos());
            case ONE_WAY -> {
                Node other = cluster.node((Math.max(0, fault.node()) + 1) % 3);
                cluster.event("cut from " + node.name() + " to " + other.name());
                cluster.net().cut(node.name(), other.name());
                later(fault.nanos(), () -> cluster.net().mend(node.name(), other.name()));
            }
            case BAD_NET -> {
                cluster.event("the network is bad");
                cluster.net().weather(50_000, 40_000_000, 0.15, 0.05);
                later(
                        fault.nanos(),
                        () -> {
                            if (!over) {
                                cluster.net().weather(30_000, 400_000, 0, 0);
                            }
                        });
            }
            case ROT -> {
                for (int i = 0; i < 3; i++) {
                    node.disk().rot(sim.random());
                }
                cluster.event(node.name() + ": blocks rot");
            }
            case LOST_WRITES -> {
                cluster.event(node.name() + ": writes are lost");
                node.disk().troubles().lostWrite = 0.1;
                later(fault.nanos(), () -> node.disk().troubles().lostWrite = 0);
            }
            case MISDIRECTED_WRITES -> {
                cluster.event(node.name() + ": writes are misdirected");
                node.disk().troubles().misdirectedWrite = 0.05;
                later(fault.nanos(), () -> node.disk().troubles().misdirectedWrite = 0);
            }
            case WRITE_ERROR -> node.disk().troubles().failWrites = true;
            case SYNC_ERROR -> node.disk().troubles().failSyncs = true;
            case CHECKPOINT_CRASH ->
                    node.disk().troubles().crashInCheckpoint((int) (fault.nanos() % 5));
            case LOG_DAMAGE -> whileDown(node, fault, () -> cluster.damageLog(node));
            case MAP_DAMAGE -> whileDown(node, fault, () -> cluster.damageMap(node));
            case WIPE -> whileDown(node, fault, () -> cluster.wipe(node));
            case TRANSFER -> handOver(cluster.node(Math.max(0, fault.node())));
            case SNAPSHOT -> {
                done--;
                workload.snapshot();
            }
            case DELETE_SNAPSHOT -> {
                done--;
                workload.deleteSnapshot();
            }
            case LOST_ANSWERS -> {
                cluster.event("answers are lost");
                cluster.net().loseAnswers(0.3);
                later(fault.nanos(), () -> cluster.net().loseAnswers(0));
            }
            case LATE_REQUESTS -> {
                cluster.event("requests are late");
                cluster.net().delayRequests(0.25);
                workload.passBy();
                later(fault.nanos(), () -> cluster.net().delayRequests(0));
            }
            case KILL_FOR_ANSWER ->
                    cluster.net()
                            .insteadOfAnswer(
                                    node.name(), () -> cluster.kill(node, false, fault.nanos()));
            case CUT_ON_APPEND -> {
                RaftGroup raft = node.raft();
                if (raft != null) {
                    SimRaft.onAppend(raft, () -> split(node, fault.nanos()));
                }
            }
            case SPLIT -> split(node, fault.nanos());
            case FORCED_ELECTION -> forceElection(node, fault.nanos());
            case HELD_COMMANDS -> holdCommands(node);
        }
    }

    /// The node keeps half of the clients, and they lose the others.
    private void split(Node node, long nanos) {
        cluster.event(node.name() + " and half of the clients are cut off");
        List<String> nodes = cluster.nodes().stream().map(Node::name).toList();
        boolean even = sim.chance(0.5);
        for (String other : nodes) {
            if (!other.equals(node.name())) {
                cluster.net().cut(node.name(), other);
                cluster.net().cut(other, node.name());
            }
        }
        for (int i = 0; i < CLIENTS.size(); i++) {
            boolean with = i / 2 % 2 == 0 == even;
            for (String host : nodes) {
                if (host.equals(node.name()) != with) {
                    cluster.net().part(CLIENTS.get(i), host);
                }
            }
        }
        later(
                nanos,
                () -> {
                    for (String host : nodes) {
                        for (String other : ALL) {
                            cluster.net().mend(other, host);
                            cluster.net().mend(host, other);
                        }
                    }
                });
    }

    private void forceElection(Node leader, long nanos) {
        Node next =
                cluster.node((cluster.nodes().indexOf(leader) + 1 + sim.random().nextInt(2)) % 3);
        RaftGroup raft = next.raft();
        Machine machine = next.machine();
        split(leader, nanos);
        if (raft != null && machine != null) {
            cluster.event(next.name() + " is told to take over");
            sim.after(machine, 0, () -> SimRaft.elect(raft));
        }
    }

    /// Some clients do not hear that their requests failed, and do not send them again meanwhile.
    private void holdCommands(Node node) {
        RaftGroup raft = node.raft();
        Machine machine = node.machine();
        Node other =
                cluster.node((cluster.nodes().indexOf(node) + 1 + sim.random().nextInt(2)) % 3);
        if (raft == null || machine == null) {
            return;
        }
        cluster.event("commands of " + node.name() + " are held");
        sim.after(machine, 0, () -> SimRaft.holdCommands(raft, 2_000_000_000L));
        boolean even = sim.chance(0.5);
        List<String> deaf = List.of(even ? "c0" : "c2", even ? "c1" : "c3");
        later(
                40_000_000,
                () -> {
                    deaf.forEach(client -> cluster.net().cut(node.name(), client));
                    handOver(other, HAND_OVER_TRIES);
                });
        later(sim.between(300_000_000, 600_000_000), () -> handOver(node, HAND_OVER_TRIES));
        later(700_000_000, () -> deaf.forEach(client -> cluster.net().mend(node.name(), client)));
    }

    private void cut(Node node, boolean in, boolean out, long nanos) {
        cluster.event(
                node.name() + (in ? " hears nobody" : "") + (out ? " is heard by nobody" : ""));
        List<String> others = sim.chance(0.5) ? List.of("n0", "n1", "n2") : ALL;
        for (String other : others) {
            if (!other.equals(node.name())) {
                if (in) {
                    cluster.net().cut(other, node.name());
                }
                if (out) {
                    cluster.net().cut(node.name(), other);
                }
            }
        }
        later(
                nanos,
                () -> {
                    for (String other : others) {
                        cluster.net().mend(other, node.name());
                        cluster.net().mend(node.name(), other);
                    }
                });
    }

    /// Takes a replica's data while it is down, if all others have theirs.
    private void whileDown(Node node, Fault fault, Runnable damage) {
        if (cluster.rebuilding() || !(beyond || cluster.allServe())) {
            done--;
            return;
        }
        cluster.kill(node, false, fault.nanos());
        later(
                fault.nanos() / 2,
                () -> {
                    if (node.machine() == null
                            && !cluster.rebuilding()
                            && !over
                            && (beyond || cluster.othersServe(node))) {
                        damage.run();
                    }
                });
    }

    /// Tries until `to` leads: it cannot while it lacks an entry.
    private void handOver(Node to, int tries) {
        if (tries > 0 && cluster.leaderNode() != to) {
            handOver(to);
            later(HAND_OVER_PAUSE_NANOS, () -> handOver(to, tries - 1));
        }
    }

    private void handOver(Node to) {
        RaftGroup leader = cluster.leader();
        Machine machine = leader == null ? null : cluster.machineOf(leader);
        if (leader == null || machine == null) {
            return;
        }
        cluster.event("the leader hands over to " + to.name());
        sim.after(machine, 0, () -> leader.transferLeadership(to.peer(), Duration.ofMillis(800)));
    }
}
