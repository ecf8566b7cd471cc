package io.cistern.chaos.sim;

import java.util.ArrayList;
import java.util.Comparator;
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
        DELETE_SNAPSHOT
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
        EVERYTHING(Kind.values());

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
