package io.cistern.volume;

import io.cistern.storage.Command.Limits;
import io.cistern.volume.ClusterStatus.DiskInfo;
import io.cistern.volume.ClusterStatus.NodeInfo;
import io.cistern.volume.VolumeInfo.AttachmentInfo;
import io.cistern.volume.VolumeInfo.Diff;
import io.cistern.volume.VolumeInfo.SnapshotInfo;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Everything an administrator does, offered by every node alike (it asks the node that leads).
///
/// All methods block, for at most [#DEADLINE_SECONDS] unless they say otherwise: call them on
/// virtual threads, never on an event loop. Any thread may call any method. Failures are
/// [io.cistern.block.CisternException]: INVALID (name, size), NOT_FOUND, ALREADY_EXISTS, BUSY,
/// NO_SPACE, LIMIT, UNAVAILABLE (no leader in time: the change may or may not have happened).
///
/// Every change is durable on a majority when its method returns. A crash in the middle leaves a
/// change either to be finished by itself or without effect.
public interface ClusterAdmin {
    int DEADLINE_SECONDS = 30;

    /// Most ranges in one [Diff].
    int MAX_DIFF_RANGES = 4096;

    /// Most volumes in one [#createSnapshots].
    int MAX_SNAPSHOT_TARGETS = 64;

    /// Most volumes in one [#cloneVolumes].
    int MAX_CLONES = 256;

    /// Never fails because something is down: that is what it reports. Waits at most about 2 s for
    /// nodes that do not answer.
    ClusterStatus status();

    // Volumes

    /// @throws io.cistern.block.CisternException INVALID for a size that is 0, not a multiple of
    ///   512 or beyond [VolumeSpec#MAX_BYTES]; ALREADY_EXISTS; NO_SPACE where the size exceeds what
    ///   the pool could ever hold
    VolumeInfo createVolume(VolumeSpec spec);

    /// In order of names.
    List<VolumeInfo> volumes();

    /// With [VolumeInfo#usedBytes]. NOT_FOUND.
    VolumeInfo volume(String name);

    /// Grows a volume; users of an open device see it within seconds. INVALID if smaller than now.
    VolumeInfo resizeVolume(String name, long sizeBytes);

    /// The id, contents, snapshots and attachments stay.
    VolumeInfo renameVolume(String name, String newName);

    /// Effective at once for open devices (within seconds).
    VolumeInfo setLimits(String name, Limits limits);

    /// Deletes the volume and its snapshots. BUSY while attached or while a clone depends on it.
    void deleteVolume(String name);

    // Snapshots and clones

    /// Freezes several volumes in one instant: all or none. INVALID where the volumes live in
    /// different groups.
    List<SnapshotInfo> createSnapshots(List<SnapshotName> names);

    /// Oldest first, with [SnapshotInfo#uniqueBytes].
    List<SnapshotInfo> snapshots(String volume);

    /// @param to the later snapshot's name, null for the volume as it is now
    /// @param offset where to start: 0, then [Diff#nextOffset]
    Diff diff(String volume, String from, @Nullable String to, long offset);

    /// The volume's contents become the snapshot's. BUSY while attached for writing.
    ///
    /// @return the name of the snapshot that keeps what the volume was before
    String rollback(SnapshotName snapshot);

    /// BUSY while a clone depends on it.
    void deleteSnapshot(SnapshotName snapshot);

    VolumeInfo cloneVolume(SnapshotName snapshot, String newName, Limits limits);

    /// Makes several clones of one snapshot, all at the same time: 1 to [#MAX_CLONES], INVALID
    /// where there are more or one is named twice. Where one cannot be made the others are made all
    /// the same, and the first failure, by the order of the names, is thrown.
    ///
    /// @return what was made, in the order of the names
    List<VolumeInfo> cloneVolumes(SnapshotName snapshot, List<String> newNames, Limits limits);

    // Shares

    ShareAdmin shares();

    // Attachments

    /// @param volume null for those of all volumes
    List<AttachmentInfo> attachments(@Nullable String volume);

    /// Ends all attachments of the volume: their holders can no longer write.
    ///
    /// @return how many were ended
    int detach(String volume);

    /// As [#detach] of one attachment; no error if it is gone.
    void detach(String volume, long attachment);

    /// Asks that the group of `volume` be led by `node` (the one that uses it). A hint: returns
    /// without waiting, and nothing happens where that node holds no replica or is behind.
    void preferLeader(String volume, String node);

    // iSCSI

    /// Offers a volume over iSCSI, from every node. ALREADY_EXISTS where it is offered, BUSY while
    /// it is attached exclusively, INVALID for names and secrets that iSCSI does not allow.
    IscsiExport exportVolume(IscsiExport.Spec spec);

    /// Ends the volume's sessions and detaches it from every node; no error where it is not
    /// offered.
    void unexportVolume(String volume);

    /// In order of volumes.
    List<IscsiExport> exports();

    /// Who is logged in, at every node that answers.
    List<IscsiExport.Session> sessions();

    // Nodes and disks

    List<NodeInfo> nodes();

    /// A secret, good for one node and for a limited time, with which `cistern node add --join`
    /// joins. Holds the addresses of this cluster; not shown again.
    String createJoinToken();

    /// Moves all replicas of the node elsewhere, in the background ([ClusterStatus#work] shows it).
    /// It goes on after any crash; asking again changes nothing. INVALID where too few nodes would
    /// remain for the replicas, NO_SPACE where the others have no room for them.
    NodeInfo drainNode(String node);

    /// Ends a drain: the node takes replicas again. What has moved does not come back by itself.
    NodeInfo keepNode(String node);

    /// Forgets a node for good. BUSY while it holds replicas that cannot be spared: drain it first,
    /// or, if it is lost, it must be DOWN and its groups have a majority without it.
    void removeNode(String node);

    List<DiskInfo> disks();

    /// @param path on that node; an empty or absent directory
    /// @param sizeBytes most bytes to use, 0 for what the file system has
    DiskInfo addDisk(String node, String path, long sizeBytes);

    /// Moves what the disk holds to others of the same node or elsewhere, then forgets it, in the
    /// background; it goes on after any crash. BUSY for a node's first disk, NO_SPACE where nothing
    /// else has room.
    ///
    /// @return true where that is done already, false where it is under way
    boolean removeDisk(String disk);

    ClusterPolicy policy();

    /// Effective within a second. INVALID for values out of their bounds.
    ClusterPolicy setPolicy(ClusterPolicy policy);

    // Checks

    /// Starts reading and checking everything a volume (null: every volume) stores, on every
    /// replica, mending what is damaged. Returns at once; [ClusterStatus#work] shows it.
    void scrub(@Nullable String volume);

    /// Reads everything of a volume (null: every volume) from every replica and compares. No
    /// deadline.
    ///
    /// @param progress called now and then on the calling thread
    VerifyReport verify(@Nullable String volume, Progress progress);

    /// @param mismatches what differs, at most 100, and what could not be asked; one sentence each
    /// @param unasked those of `mismatches` that are about replicas and books that could not be
    ///   asked: of what differs there nothing is known
    /// @param notes what was left out, and why; not a fault
    record VerifyReport(
            int volumes,
            long bytesRead,
            long damagedBlocks,
            long repairedBlocks,
            List<String> mismatches,
            List<String> unasked,
            List<String> notes) {
        /// Nodes of earlier releases have no notes, and do not tell what could not be asked from
        /// what differs.
        public VerifyReport {
            unasked = Objects.requireNonNullElse(unasked, List.of());
            notes = Objects.requireNonNullElse(notes, List.of());
        }

        /// Everything was compared, and agrees.
        public boolean clean() {
            return mismatches.isEmpty();
        }

        /// What differs.
        public List<String> differences() {
            return mismatches.stream().filter(m -> !unasked.contains(m)).toList();
        }
    }
}
