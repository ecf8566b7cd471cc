package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.chaos.sim.Machine;
import io.cistern.chaos.sim.Sim;
import io.cistern.chaos.sim.SimNet;
import io.cistern.chaos.sim.SimTimer;
import io.cistern.raft.GroupId;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.RaftGroups;
import io.cistern.raft.net.RpcChannel;
import io.cistern.raft.net.RpcHandler;
import io.cistern.storage.Disk;
import io.cistern.storage.Store;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ScheduledExecutorService;
import org.jspecify.annotations.Nullable;

/// The replicas of one life of a node's process: a real [GroupHost] on simulated threads, network
/// and Raft.
public final class SimNode {
    private static final long TASK_NANOS = 300_000;

    private final GroupHost host;

    /// @param raft opens replicas in `machine`
    public SimNode(
            Sim sim,
            SimNet net,
            Machine machine,
            String node,
            RaftGroups raft,
            GroupTuning tuning,
            GroupHost.Cluster cluster) {
        Map<String, RpcChannel> channels = new HashMap<>();
        NodePeers peers =
                new NodePeers(
                        (to, opcode, timeout, request) ->
                                channels.computeIfAbsent(
                                                to, name -> net.connect(node, machine, name))
                                        .call(opcode, timeout, request),
                        tuning.peerTimeout());
        host =
                new GroupHost(
                        node,
                        raft,
                        cluster,
                        new NodeParts(new Threads(sim, machine), peers, tuning));
        Map<Integer, RpcHandler> handlers = new HashMap<>();
        host.register(handlers::put);
        net.listen(node, machine, handlers);
    }

    public GroupHost host() {
        return host;
    }

    public @Nullable RaftGroup raft(GroupId group) {
        return host.raft(group);
    }

    /// Null where the replica is not open.
    public @Nullable Store store(GroupId group) {
        try {
            return host.replicas().replica(group).store();
        } catch (CisternException notOpen) {
            return null;
        }
    }

    /// Whether it serves reads.
    public boolean serves(GroupId group) {
        try {
            return host.replicas().replica(group).running().reads().readable();
        } catch (CisternException notOpen) {
            return false;
        }
    }

    public void open(GroupId group, Disk disk, String peer, List<Peer> members) {
        host.open(group, disk, peer, members);
    }

    /// A stub for the replica on `to` as a process at `from` has it.
    public static RemoteVolumeGroup remote(
            SimNet net, String from, Machine caller, String to, GroupId group, Duration timeout) {
        return new RemoteVolumeGroup(
                () -> net.connect(from, caller, to),
                io.cistern.raft.SimRaft.addressOf(to),
                group,
                timeout);
    }

    private static final class Threads implements NodeThreads {
        private final Sim sim;
        private final Machine machine;
        private final SimTimer tasks;

        Threads(Sim sim, Machine machine) {
            this.sim = sim;
            this.machine = machine;
            this.tasks = new SimTimer(sim, machine, TASK_NANOS);
        }

        @Override
        public Executor readers() {
            return tasks;
        }

        @Override
        public Executor workers() {
            return tasks;
        }

        @Override
        public Executor menders() {
            return tasks;
        }

        @Override
        public ScheduledExecutorService timer() {
            return tasks;
        }

        @Override
        public void start(String name, Runnable task) {
            sim.after(machine, sim.between(0, TASK_NANOS), task);
        }

        @Override
        public <T> T await(CompletableFuture<T> future) {
            return sim.await(future);
        }

        @Override
        public boolean sleep(long nanos) {
            sim.sleep(nanos);
            return true;
        }

        @Override
        public long nanoTime() {
            return machine.nanoTime();
        }

        @Override
        public InstantSource clock() {
            return machine.clock();
        }

        @Override
        public long freshId() {
            return sim.random().nextLong();
        }

        @Override
        public void close() {}
    }
}
