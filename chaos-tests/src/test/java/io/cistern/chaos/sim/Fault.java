package io.cistern.chaos.sim;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;

/// Something that goes wrong, or that an administrator does, in a simulation.
///
/// @param at when, nanoseconds
/// @param node which, -1 for who leads then
/// @param nanos how long
public record Fault(long at, Kind kind, int node, long nanos) {
    /// What goes wrong.
    public enum Kind {
        /// A process is killed and started again.
        KILL,
        /// A node loses power, and what it had not synced.
        POWER,
        /// All do.
        POWER_ALL,
        /// A process stops and goes on.
        FREEZE,
        /// A node hears nobody and nobody hears it.
        ISOLATE,
        /// A node is heard and hears nothing.
        DEAF,
        /// A node hears and is not heard.
        MUTE,
        /// One way between two nodes is cut.
        ONE_WAY,
        /// Messages are lost, doubled, late.
        BAD_NET,
        /// Bits flip in blocks at rest.
        ROT,
        /// The disk says it wrote and did not.
        LOST_WRITES,
        /// The disk wrote elsewhere.
        MISDIRECTED_WRITES,
        WRITE_ERROR,
        SYNC_ERROR,
        /// The process ends in the middle of a checkpoint.
        CHECKPOINT_CRASH,
        LOG_DAMAGE,
        MAP_DAMAGE,
        /// The disk is replaced by an empty one.
        WIPE,
        TRANSFER,
        SNAPSHOT,
        DELETE_SNAPSHOT,
        /// Connections of clients break as answers are on their way.
        LOST_ANSWERS,
        /// Connections of clients break as requests are on their way, which arrive long after.
        LATE_REQUESTS,
        /// A node's next answer to a client is lost and its process killed.
        KILL_FOR_ANSWER,
        /// As a node appends an entry as the leader it is cut off from the other nodes and half of
        /// the clients.
        CUT_ON_APPEND,
        /// A node and half of the clients on one side, the others on the other.
        SPLIT,
        /// The same, and a node on the other side is elected at once, though it has just heard of a
        /// leader: as when a leader's word to take over comes late.
        FORCED_ELECTION,
        /// Commands of a leader stay on their way to its log until it has lost leadership and got
        /// it back.
        HELD_COMMANDS
    }

    /// What a kind of run is made of.
    public enum Scenario {
        CRASHES(Kind.KILL, Kind.KILL, Kind.CHECKPOINT_CRASH, Kind.TRANSFER, Kind.FREEZE),
        POWER(Kind.POWER, Kind.POWER, Kind.POWER_ALL, Kind.CHECKPOINT_CRASH, Kind.KILL),
        NETWORK(
                Kind.ISOLATE,
                Kind.DEAF,
                Kind.MUTE,
                Kind.ONE_WAY,
                Kind.BAD_NET,
                Kind.FREEZE,
                Kind.TRANSFER),
        DISKS(
                Kind.ROT,
                Kind.ROT,
                Kind.LOST_WRITES,
                Kind.MISDIRECTED_WRITES,
                Kind.WRITE_ERROR,
                Kind.SYNC_ERROR,
                Kind.KILL),
        REBUILD(
                Kind.WIPE,
                Kind.LOG_DAMAGE,
                Kind.MAP_DAMAGE,
                Kind.KILL,
                Kind.POWER,
                Kind.ISOLATE,
                Kind.FREEZE),
        FULL(Kind.KILL, Kind.POWER, Kind.DELETE_SNAPSHOT, Kind.ISOLATE),
        /// Each kind but those that aim at a moment.
        EVERYTHING(EnumSet.range(Kind.KILL, Kind.DELETE_SNAPSHOT).toArray(Kind[]::new)),
        /// Requests are sent again, and arrive late.
        REPEATS(
                Kind.LOST_ANSWERS,
                Kind.LOST_ANSWERS,
                Kind.LATE_REQUESTS,
                Kind.LATE_REQUESTS,
                Kind.KILL_FOR_ANSWER,
                Kind.TRANSFER,
                Kind.SPLIT),
        /// Leadership changes at bad moments.
        HANDOVERS(
                Kind.SPLIT,
                Kind.FORCED_ELECTION,
                Kind.FORCED_ELECTION,
                Kind.HELD_COMMANDS,
                Kind.HELD_COMMANDS,
                Kind.CUT_ON_APPEND,
                Kind.KILL_FOR_ANSWER,
                Kind.LOST_ANSWERS);

        /// Whether it aims at what clients are told, so that there should be many of them.
        boolean aimed() {
            return this == REPEATS || this == HANDOVERS;
        }

        private final List<Kind> kinds;

        Scenario(Kind... kinds) {
            this.kinds = List.of(kinds);
        }

        /// Faults of a run, in order of their times.
        List<Fault> plan(Random random, long nanos) {
            List<Fault> faults = new ArrayList<>();
            int count = 2 + random.nextInt(10);
            int victim = random.nextInt(3);
            for (int i = 0; i < count; i++) {
                Kind kind = kinds.get(random.nextInt(kinds.size()));
                boolean decays =
                        kind == Kind.ROT
                                || kind == Kind.LOST_WRITES
                                || kind == Kind.MISDIRECTED_WRITES;
                // What decays unseen does so on one node only: of the others' blocks one is good.
                int node = decays ? victim : random.nextInt(5) < 2 ? -1 : random.nextInt(3);
                if (kind.compareTo(Kind.KILL_FOR_ANSWER) >= 0) {
                    node = -1;
                }
                long length =
                        random.nextInt(4) == 0
                                ? 2_000_000_000L + random.nextInt(2_000_000_000)
                                : 20_000_000L + random.nextInt(1_500_000_000);
                faults.add(new Fault((long) (random.nextDouble() * nanos), kind, node, length));
            }
            int snapshots = random.nextInt(5);
            for (int i = 0; i < snapshots; i++) {
                long at = (long) (random.nextDouble() * nanos);
                faults.add(new Fault(at, Kind.SNAPSHOT, 0, 0));
                if (random.nextInt(3) == 0) {
                    faults.add(new Fault(at + nanos / 5, Kind.DELETE_SNAPSHOT, 0, 0));
                }
            }
            faults.sort(Comparator.comparingLong(Fault::at));
            return faults;
        }
    }

    @Override
    public String toString() {
        return String.format(
                "%.0f ms: %s of %s for %.0f ms",
                at / 1e6, kind, node < 0 ? "the leader" : "n" + node, nanos / 1e6);
    }
}
