package io.cistern.chaos.sim;

import io.cistern.chaos.sim.SimCluster.Node;
import io.cistern.raft.RaftGroup;
import java.time.Duration;
import java.util.List;

/// Brings [Fault]s about.
final class Nemesis {
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
            case TRANSFER -> transfer(fault);
            case SNAPSHOT -> {
                done--;
                workload.snapshot();
            }
            case DELETE_SNAPSHOT -> {
                done--;
                workload.deleteSnapshot();
            }
        }
    }

    private void cut(Node node, boolean in, boolean out, long nanos) {
        cluster.event(
                node.name() + (in ? " hears nobody" : "") + (out ? " is heard by nobody" : ""));
        List<String> others =
                sim.chance(0.5)
                        ? List.of("n0", "n1", "n2")
                        : List.of("n0", "n1", "n2", "c0", "c1", "c2", "c3", "admin", "dependent");
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

    private void transfer(Fault fault) {
        RaftGroup leader = cluster.leader();
        Node to = cluster.node(Math.max(0, fault.node()));
        Machine machine = leader == null ? null : cluster.machineOf(leader);
        if (leader == null || machine == null) {
            return;
        }
        cluster.event("the leader hands over to " + to.name());
        sim.after(machine, 0, () -> leader.transferLeadership(to.peer(), Duration.ofMillis(800)));
    }
}
