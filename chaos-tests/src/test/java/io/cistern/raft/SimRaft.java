package io.cistern.raft;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.chaos.sim.Machine;
import io.cistern.chaos.sim.Sim;
import io.cistern.chaos.sim.SimNet;
import io.cistern.chaos.sim.SimTimer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/// The replicas of one simulated process, in place of [RaftHost].
public final class SimRaft implements RaftGroups {
    /// What outlives processes: journals by peer id, and who runs where now.
    public static final class Shared {
        final Sim sim;
        final SimNet net;
        final Map<String, SimJournal> journals = new HashMap<>();
        final Map<String, SimRaft> running = new HashMap<>();
        private final List<String> violations = new ArrayList<>();
        private long elections;
        long overdue;

        public Shared(Sim sim, SimNet net) {
            this.sim = sim;
            this.net = net;
        }

        public List<String> violations() {
            return violations;
        }

        void violation(String what) {
            violations.add(what);
        }

        void elected() {
            elections++;
        }

        public long elections() {
            return elections;
        }

        /// Batches that got into the log in a later term than they were proposed in.
        public long overdue() {
            return overdue;
        }

        public @Nullable SimJournal journal(String peer) {
            return journals.get(peer);
        }
    }

    /// @param syncNanos a sync of the log takes up to so long
    public record Disk(long syncNanos, double slowSync) {}

    final Shared shared;
    final String node;
    final Machine machine;
    final RaftTimings timings;
    final Halt halt;
    final Disk disk;
    final SimTimer timer;
    final int purgeGap;
    private final Map<GroupId, SimReplica> groups = new HashMap<>();

    /// @param purgeGap entries that are kept behind a checkpoint
    public SimRaft(
            Shared shared,
            String node,
            Machine machine,
            RaftTimings timings,
            Halt halt,
            Disk disk,
            int purgeGap) {
        this.shared = shared;
        this.node = node;
        this.machine = machine;
        this.timings = timings;
        this.halt = halt;
        this.disk = disk;
        this.purgeGap = purgeGap;
        this.timer = new SimTimer(shared.sim, machine, 10_000);
        shared.running.put(node, this);
    }

    @Override
    public InetSocketAddress address() {
        return addressOf(node);
    }

    public static InetSocketAddress addressOf(String node) {
        return new InetSocketAddress(
                InetAddress.getLoopbackAddress(), 1000 + Integer.parseInt(node.substring(1)));
    }

    @Override
    public RaftGroup open(GroupId id, String selfPeerId, List<Peer> initial, StateMachine target) {
        if (groups.containsKey(id)) {
            throw new CisternException(ErrorCode.ALREADY_EXISTS, id + " is open");
        }
        SimJournal journal =
                shared.journals.computeIfAbsent(
                        selfPeerId,
                        peer ->
                                new SimJournal(
                                        peer,
                                        new SimJournal.Members(List.copyOf(initial), List.of())));
        if (journal.damaged) {
            throw new CisternException(
                    ErrorCode.CORRUPT,
                    "the log of " + selfPeerId + " is damaged",
                    new LogDamagedException("a flipped bit"));
        }
        Peer self =
                initial.stream()
                        .filter(peer -> peer.id().equals(selfPeerId))
                        .findFirst()
                        .orElse(new Peer(selfPeerId, node, address(), 0));
        SimReplica replica = new SimReplica(this, id, self, journal, target);
        groups.put(id, replica);
        replica.start();
        return replica;
    }

    @Override
    public void remove(GroupId id) {
        SimReplica replica = groups.get(id);
        if (replica != null) {
            replica.close();
            shared.journals.remove(replica.self().id());
        }
    }

    /// Ids of the voters, as `group` knows them.
    public static List<String> voters(RaftGroup group) {
        return ((SimReplica) group).voters();
    }

    /// Makes `group` ask for votes at once, whatever it has heard.
    public static void elect(RaftGroup group) {
        ((SimReplica) group).elect();
    }

    /// Runs `task` as `group` next appends a command as the leader, before it is sent to others.
    public static void onAppend(RaftGroup group, Runnable task) {
        ((SimReplica) group).onAppend = task;
    }

    /// Some of the commands that reach `group` in the next `nanos` do not get into its log before
    /// it has lost leadership and got it back.
    public static void holdCommands(RaftGroup group, long nanos) {
        ((SimReplica) group).holdCommands(nanos);
    }

    void closed(GroupId id, SimReplica replica) {
        groups.remove(id, replica);
    }

    /// Sends to a peer; `handler` runs there if the peer is open when it arrives.
    void send(GroupId id, Peer to, BiConsumer<SimReplica, Machine> handler) {
        shared.net.message(
                node,
                to.node(),
                () -> {
                    SimRaft there = shared.running.get(to.node());
                    return there == null ? null : there.machine;
                },
                () -> {
                    SimRaft there = shared.running.get(to.node());
                    if (there == null) {
                        return;
                    }
                    SimReplica replica = there.groups.get(id);
                    if (replica != null && replica.self().id().equals(to.id())) {
                        handler.accept(replica, there.machine);
                    }
                });
    }
}
