package io.cistern.volume.system;

import io.cistern.storage.Command.Limits;
import io.cistern.volume.system.SystemState.Disk;
import io.cistern.volume.system.SystemState.Export;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Policy;
import io.cistern.volume.system.SystemState.Settings;
import io.cistern.volume.system.SystemState.Source;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One change of the [SystemState], as it stands in the log. Times, names and places are fixed by
/// the leader before it proposes.
///
/// Each carries `request`: random, chosen by whoever asked. A request seen before is answered with
/// its first outcome and has no second effect.
public sealed interface SystemCommand {
    /// Longest encoded command, in bytes.
    int MAX_BYTES = 1 << 20;

    String request();

    /// Forms the cluster: its nodes, and the system group's members. No effect where it is formed.
    ///
    /// @param systemMembers names of nodes, each with its first replica (generation 1)
    record Form(
            String request,
            String clusterId,
            Settings settings,
            List<Node> nodes,
            List<String> systemMembers)
            implements SystemCommand {}

    /// A node says where it is now. Disks and draining are not changed. NOT_FOUND for a node that
    /// was removed.
    record AnnounceNode(
            String request,
            String name,
            String zone,
            String api,
            String wire,
            String raft,
            @Nullable String iscsi,
            @Nullable String nfs)
            implements SystemCommand {}

    record AddToken(String request, String hash, long expiresMillis, long nowMillis)
            implements SystemCommand {}

    /// Takes a node in and uses the token up. UNAUTHORIZED for a token that is unknown, used or too
    /// old.
    ///
    /// @param level the newest that the node knows, see [Level]; 0 where it does not say. INVALID
    ///   where the cluster is at a higher one.
    record JoinNode(String request, String tokenHash, long nowMillis, Node node, int level)
            implements SystemCommand {
        public JoinNode(String request, String tokenHash, long nowMillis, Node node) {
            this(request, tokenHash, nowMillis, node, 0);
        }
    }

    record DrainNode(String request, String node, boolean on) implements SystemCommand {}

    /// BUSY while a replica names it that is not retired; retired ones go with it.
    record RemoveNode(String request, String node) implements SystemCommand {}

    /// Outcome's value: the disk's number.
    record AddDisk(String request, String node, String path, long sizeBytes)
            implements SystemCommand {}

    record DrainDisk(String request, String node, int disk) implements SystemCommand {}

    /// BUSY while a replica is on it, and for a node's first one.
    record RemoveDisk(String request, String node, int disk) implements SystemCommand {}

    /// @param places on distinct nodes; as many as voters. Outcome's value: the group's id
    record CreateGroup(String request, List<Place> places) implements SystemCommand {}

    record Place(String node, int disk) {}

    record GroupReady(String request, long group) implements SystemCommand {}

    /// A new replica as a learner. BUSY where the group has a learner already. Outcome's value: the
    /// generation in its peer id.
    record AddReplica(String request, long group, Place place) implements SystemCommand {}

    /// The learner votes from now on, and `retired` (null: none) does not any more.
    record PromoteReplica(String request, long group, String peer, @Nullable String retired)
            implements SystemCommand {}

    record RetireReplica(String request, long group, String peer) implements SystemCommand {}

    /// Forgets a retired replica.
    record RemoveReplica(String request, long group, String peer) implements SystemCommand {}

    /// First half of a creation; takes the name. Outcome's value: the volume's id.
    record CreateVolume(
            String request,
            String name,
            long group,
            long sizeBytes,
            Limits limits,
            @Nullable Source source,
            long timeMillis)
            implements SystemCommand {}

    /// Second half: its group has it.
    record VolumeReady(String request, long volume) implements SystemCommand {}

    record RenameVolume(String request, long volume, String newName) implements SystemCommand {}

    /// First half of a deletion: nobody finds it any more. BUSY where it is offered over iSCSI, and
    /// from [Level#LATE_REQUESTS] on where it has clones.
    record DeleteVolume(String request, long volume) implements SystemCommand {}

    /// Its group refused the deletion (a clone depends on it): as it was.
    record KeepVolume(String request, long volume) implements SystemCommand {}

    /// Second half of a deletion: its group has deleted it, the name is free.
    record RemoveVolume(String request, long volume) implements SystemCommand {}

    /// Gives a node its number among iSCSI targets' ports, and so all that have none, in the order
    /// of their names.
    record NumberNode(String request, String node) implements SystemCommand {}

    /// Offers a volume over iSCSI. ALREADY_EXISTS where it is offered.
    record ExportVolume(String request, long volume, Export export) implements SystemCommand {}

    /// No error where it is not offered.
    record UnexportVolume(String request, long volume) implements SystemCommand {}

    /// Everything that is not on `node` is lost for good: other nodes, their replicas, groups that
    /// have no voter here and the volumes in them are forgotten, and the cluster has another id
    /// from now on. No effect where it has it.
    ///
    /// @param held every replica with a vote that the node has: these are the groups from now on,
    ///   whatever the state, which may lack its last changes, says of them. None where an earlier
    ///   program says it: then what the state lists
    record GiveUp(String request, String clusterId, String node, List<Held> held)
            implements SystemCommand {}

    /// @param disk that `peer` of `group` is on, as the node itself knows it
    record Held(long group, String peer, Disk disk) {}

    /// INVALID where a value is out of its bounds.
    record SetPolicy(String request, Policy policy) implements SystemCommand {}

    /// Raises the cluster's format level, see [Level]. No effect where it is as high already; BUSY
    /// where a node is not among those that know it: it has joined meanwhile.
    ///
    /// @param nodes names of those that know it
    record RaiseLevel(String request, int level, List<String> nodes) implements SystemCommand {}
}
