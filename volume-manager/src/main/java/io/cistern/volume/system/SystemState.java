package io.cistern.volume.system;

import io.cistern.raft.Peer;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.Outcome;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// All the cluster knows about itself, at one index of the system group's log. Immutable; a change
/// makes a new one that shares what did not change.
///
/// Invariants: names of volumes are unique among all phases; ids of volumes and groups and peer ids
/// are never reused (`nextVolume`, `nextGroup` and [Node#nextGeneration] only grow); a group's
/// voters sit on distinct nodes; every node that a replica names exists, and so does its disk,
/// unless the node is a witness: that has none, and its replicas name disk 0.
///
/// @param version grows by one with every command that has an effect
/// @param clusterId empty until the cluster is formed
/// @param tokens join tokens by the SHA-256 of their secret, in hex
/// @param targets what is exported over iSCSI
/// @param policy how it mends and grows
/// @param level what all nodes know and may be used, see [Level]
/// @param recent outcomes of the last commands by their request ids, oldest first, so that a
///   repeated request has one effect
public record SystemState(
        long version,
        String clusterId,
        long nextVolume,
        long nextGroup,
        Settings settings,
        SortedMap<String, Node> nodes,
        SortedMap<Long, Group> groups,
        SortedMap<Long, Volume> volumes,
        SortedMap<String, Token> tokens,
        Targets targets,
        Policy policy,
        int level,
        SequencedMap<String, Outcome> recent) {

    /// How many outcomes [#recent] keeps.
    public static final int MAX_RECENT = 1024;

    public static final int MAX_NODES = 256;
    public static final int MAX_DISKS_PER_NODE = 64;
    public static final int MAX_GROUPS = 1024;
    public static final int MAX_VOLUMES = 100_000;
    public static final int MAX_TOKENS = 64;

    public static final SystemState EMPTY =
            new SystemState(
                    0,
                    "",
                    1,
                    1,
                    Settings.DEFAULT,
                    Collections.emptySortedMap(),
                    Collections.emptySortedMap(),
                    Collections.emptySortedMap(),
                    Collections.emptySortedMap(),
                    Targets.NONE,
                    Policy.DEFAULT,
                    0,
                    new LinkedHashMap<>());

    /// Whether the two differ in nothing but volumes and what was asked lately.
    public boolean sameButForVolumes(SystemState other) {
        return clusterId.equals(other.clusterId)
                && nextGroup == other.nextGroup
                && settings.equals(other.settings)
                && nodes.equals(other.nodes)
                && groups.equals(other.groups)
                && tokens.equals(other.tokens)
                && targets.equals(other.targets)
                && policy.equals(other.policy)
                && level == other.level;
    }

    /// @param nodesPerGroup one data group is wanted for each so many nodes, rounded up
    public record Settings(int nodesPerGroup) {
        public static final Settings DEFAULT = new Settings(3);
    }

    /// How the cluster mends itself and spreads what it holds; can be set while it runs.
    ///
    /// @param rebuildAfterSeconds how long a node may be silent before its replicas are built anew
    ///   elsewhere, [#MIN_REBUILD_SECONDS] to [#MAX_REBUILD_SECONDS]
    /// @param balance replicas and leaders are spread over the nodes
    /// @param copyBytesPerSecond most that one copy of a replica may send, 0 for no bound; copies
    ///   yield to users all the same
    public record Policy(int rebuildAfterSeconds, boolean balance, long copyBytesPerSecond) {
        public static final int MIN_REBUILD_SECONDS = 5;
        public static final int MAX_REBUILD_SECONDS = 30 * 24 * 3600;
        public static final Policy DEFAULT = new Policy(600, true, 0);
    }

    /// @param wire `host:port`; `raft` likewise
    /// @param nextGeneration of the next replica placed here
    /// @param nextDisk number of the next disk added here
    /// @param disks none on a witness, else at least one
    public record Node(
            String name,
            String zone,
            String api,
            String wire,
            String raft,
            @Nullable String iscsi,
            @Nullable String nfs,
            boolean draining,
            long nextGeneration,
            int nextDisk,
            List<Disk> disks) {

        /// Whether it holds no data: it votes in groups of two replicas, and may have a replica of
        /// the system group.
        public boolean witness() {
            return disks.isEmpty();
        }

        public Node withDraining(boolean on) {
            return new Node(
                    name, zone, api, wire, raft, iscsi, nfs, on, nextGeneration, nextDisk, disks);
        }

        public Node withDisks(int next, List<Disk> changed) {
            return new Node(
                    name,
                    zone,
                    api,
                    wire,
                    raft,
                    iscsi,
                    nfs,
                    draining,
                    nextGeneration,
                    next,
                    List.copyOf(changed));
        }

        Node withNextGeneration(long next) {
            return new Node(
                    name, zone, api, wire, raft, iscsi, nfs, draining, next, nextDisk, disks);
        }
    }

    /// @param number unique on the node; 0 is the one with the node's identity
    /// @param sizeBytes most bytes to use, 0 for all there is
    public record Disk(int number, String path, long sizeBytes, boolean draining) {}

    /// @param wanted how many replicas with data it is to have; where these are
    ///   [#WITNESSED_REPLICAS], a witness votes as well
    /// @param ready false until every first replica has been opened once
    public record Group(long id, int wanted, boolean ready, List<Replica> replicas) {
        public static final int WITNESSED_REPLICAS = 2;

        /// How many voters it is to have.
        public int wantedVoters() {
            return wanted + wantedWitnesses();
        }

        public int wantedWitnesses() {
            return id != 0 && wanted == WITNESSED_REPLICAS ? 1 : 0;
        }

        Group withReplicas(List<Replica> changed) {
            return new Group(id, wanted, ready, List.copyOf(changed));
        }

        public @Nullable Replica replica(String peer) {
            for (Replica r : replicas) {
                if (r.peer.equals(peer)) {
                    return r;
                }
            }
            return null;
        }

        public List<Replica> voters() {
            return replicas.stream().filter(r -> r.role == Role.VOTER).toList();
        }

        /// The voters but witnesses.
        public List<Replica> dataVoters() {
            return replicas.stream().filter(r -> r.role == Role.VOTER && !r.witness()).toList();
        }
    }

    /// @param peer node name, '.', generation; that of a witness as [Peer#witnessId] says
    public record Replica(String peer, String node, int disk, Role role) {
        public boolean witness() {
            return Peer.isWitness(peer);
        }

        Replica withRole(Role changed) {
            return new Replica(peer, node, disk, changed);
        }
    }

    /// A replica's way: LEARNER -> VOTER -> RETIRED -> gone. Those a group is created with start as
    /// VOTER; a learner that is given up goes to RETIRED at once.
    public enum Role {
        LEARNER,
        VOTER,
        /// Its node is to close and delete it, then it is removed from here.
        RETIRED
    }

    /// @param groups where its data lives; exactly one today
    /// @param source what it is created from, null for an empty one
    /// @param sizeBytes of an empty one, as asked for at its creation; its group knows what it is
    ///   now
    public record Volume(
            long id,
            String name,
            Phase phase,
            List<Long> groups,
            long sizeBytes,
            Limits limits,
            @Nullable Source source,
            long createdMillis) {
        public long group() {
            return groups.getFirst();
        }

        Volume withPhase(Phase changed) {
            return new Volume(id, name, changed, groups, sizeBytes, limits, source, createdMillis);
        }

        Volume withName(String changed) {
            return new Volume(id, changed, phase, groups, sizeBytes, limits, source, createdMillis);
        }
    }

    /// The snapshot of another volume that a clone starts from.
    public record Source(long volume, String volumeName, String snapshot) {}

    /// CREATING -> READY -> DELETING -> gone; a creation that cannot be finished goes from CREATING
    /// to DELETING.
    public enum Phase {
        CREATING,
        READY,
        DELETING
    }

    public record Token(String hash, long expiresMillis) {}

    /// What is exported over iSCSI, and the nodes' numbers there.
    ///
    /// Numbers are given when a node with a portal asks for its own; they are never used again,
    /// since initiators remember them as portal group tags and relative target ports.
    ///
    /// @param exports by the volume's id
    /// @param numbers of nodes, 1 to [#MAX_NUMBER]
    /// @param nextNumber 1 before the first was given
    public record Targets(
            SortedMap<Long, Export> exports, SortedMap<String, Integer> numbers, int nextNumber) {
        public static final int MAX_NUMBER = 65535;

        public static final Targets NONE =
                new Targets(Collections.emptySortedMap(), Collections.emptySortedMap(), 1);

        Targets with(long volume, Export export) {
            return new Targets(put(exports, volume, export), numbers, nextNumber);
        }

        Targets without(long volume) {
            SortedMap<Long, Export> changed = new TreeMap<>(exports);
            changed.remove(volume);
            return new Targets(changed, numbers, nextNumber);
        }

        Targets withNumber(String node) {
            return numbers.containsKey(node)
                    ? this
                    : new Targets(exports, put(numbers, node, nextNumber), nextNumber + 1);
        }

        Targets withoutNumber(String node) {
            SortedMap<String, Integer> changed = new TreeMap<>(numbers);
            changed.remove(node);
            return new Targets(exports, changed, nextNumber);
        }
    }

    /// @param initiators who may log in, iSCSI names; empty: anyone
    /// @param chap what initiators prove themselves with, null: nothing is asked
    /// @param mutual what targets prove themselves with, null: they cannot
    /// @param blockBytes size of a logical block, 512 or 4096
    public record Export(
            List<String> initiators,
            @Nullable Chap chap,
            @Nullable Chap mutual,
            int blockBytes,
            long createdMillis) {}

    /// A CHAP name and secret. The protocol needs the secret itself, not a hash of it. Never
    /// printed.
    public record Chap(String user, String secret) {
        @Override
        public String toString() {
            return "Chap[" + user + "]";
        }
    }

    public @Nullable Volume volumeNamed(String name) {
        for (Volume v : volumes.values()) {
            if (v.name.equals(name)) {
                return v;
            }
        }
        return null;
    }

    /// A copy to be changed, part by part, before it is made a state.
    private final class Draft {
        long newVersion = version;
        String newClusterId = clusterId;
        long newNextVolume = nextVolume;
        long newNextGroup = nextGroup;
        Settings newSettings = settings;
        SortedMap<String, Node> newNodes = nodes;
        SortedMap<Long, Group> newGroups = groups;
        SortedMap<Long, Volume> newVolumes = volumes;
        SortedMap<String, Token> newTokens = tokens;
        Targets newTargets = targets;
        Policy newPolicy = policy;
        int newLevel = level;
        SequencedMap<String, Outcome> newRecent = recent;
    }

    private SystemState with(Consumer<Draft> change) {
        Draft d = new Draft();
        change.accept(d);
        return new SystemState(
                d.newVersion,
                d.newClusterId,
                d.newNextVolume,
                d.newNextGroup,
                d.newSettings,
                d.newNodes,
                d.newGroups,
                d.newVolumes,
                d.newTokens,
                d.newTargets,
                d.newPolicy,
                d.newLevel,
                d.newRecent);
    }

    SystemState withIdentity(String cluster, Settings changed) {
        return with(d -> {
            d.newClusterId = cluster;
            d.newSettings = changed;
        });
    }

    SystemState withNode(Node node) {
        return withNodes(put(nodes, node.name, node));
    }

    SystemState withNodes(SortedMap<String, Node> changed) {
        return with(d -> d.newNodes = changed);
    }

    SystemState withGroup(Group group) {
        return with(d -> {
            d.newNextGroup = Math.max(nextGroup, group.id + 1);
            d.newGroups = put(groups, group.id, group);
        });
    }

    SystemState withGroups(SortedMap<Long, Group> changed) {
        return with(d -> d.newGroups = changed);
    }

    SystemState withVolume(Volume volume) {
        return with(d -> {
            d.newNextVolume = Math.max(nextVolume, volume.id + 1);
            d.newVolumes = put(volumes, volume.id, volume);
        });
    }

    /// @param group the least id for the next group
    /// @param volumes ids that no volume will have
    SystemState skippingIds(long group, long volumes) {
        return with(d -> {
            d.newNextGroup = Math.max(nextGroup, group);
            d.newNextVolume = nextVolume + volumes;
        });
    }

    /// Whether a group has a replica of that peer id.
    public boolean lists(long group, String peer) {
        Group known = groups.get(group);
        return known != null && known.replica(peer) != null;
    }

    /// Whether this state has given out a peer id of a group. What it has given out and does not
    /// list has been deleted for good; of another it knows nothing, since it is older.
    public boolean issued(long group, String peer) {
        Node node = nodes.get(peer.substring(0, Math.max(0, peer.lastIndexOf('.'))));
        return group < nextGroup && node != null && generation(peer) < node.nextGeneration;
    }

    /// The number in a peer id, see [Replica]; [Long#MAX_VALUE] where there is none.
    static long generation(String peer) {
        String number = peer.substring(peer.lastIndexOf('.') + 1);
        String digits = number.startsWith("w") ? number.substring(1) : number;
        return digits.matches("[0-9]{1,18}") ? Long.parseLong(digits) : Long.MAX_VALUE;
    }

    SystemState withoutVolume(long id) {
        SortedMap<Long, Volume> changed = new TreeMap<>(volumes);
        changed.remove(id);
        return with(d -> d.newVolumes = changed);
    }

    SystemState withTokens(SortedMap<String, Token> changed) {
        return with(d -> d.newTokens = changed);
    }

    SystemState withTargets(Targets changed) {
        return with(d -> d.newTargets = changed);
    }

    SystemState withPolicy(Policy changed) {
        return with(d -> d.newPolicy = changed);
    }

    SystemState withLevel(int changed) {
        return with(d -> d.newLevel = changed);
    }

    /// The state after `request` came to `outcome`.
    SystemState remember(String request, Outcome outcome) {
        SequencedMap<String, Outcome> changed = new LinkedHashMap<>(recent);
        changed.put(request, outcome);
        while (changed.size() > MAX_RECENT) {
            changed.pollFirstEntry();
        }
        return with(d -> {
            d.newVersion = version + 1;
            d.newRecent = changed;
        });
    }

    private static <K extends Comparable<K>, V> SortedMap<K, V> put(
            SortedMap<K, V> map, K key, V value) {
        SortedMap<K, V> changed = new TreeMap<>(map);
        changed.put(key, value);
        return changed;
    }
}
