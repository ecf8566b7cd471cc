package io.cistern.volume;

import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A volume for people.
///
/// @param id never reused
/// @param group "g1"
/// @param leader the node that leads its group, null while there is none
/// @param usedBytes what its head and snapshots occupy once (not times replicas), without what they
///   share with the snapshot it was cloned from; -1 where it is not known: only
///   [ClusterAdmin#volume] and [ClusterAdmin#volumes] ask for it
/// @param parent `volume@snapshot` it was cloned from, null if none
/// @param snapshots number of snapshots
public record VolumeInfo(
        String name,
        long id,
        State state,
        long sizeBytes,
        long usedBytes,
        int replicas,
        String group,
        @Nullable String leader,
        Limits limits,
        @Nullable String parent,
        int snapshots,
        List<AttachmentInfo> attachments,
        long createdMillis) {

    public enum State {
        CREATING,
        READY,
        DELETING,
        /// Its group has no leader now: size, limits, snapshots and attachments are not known (0 or
        /// empty).
        UNAVAILABLE
    }

    /// @param id the attachment's id
    /// @param holder who: host, process, socket
    public record AttachmentInfo(
            String volume, long id, AttachMode mode, String holder, long sinceMillis) {}

    /// @param uniqueBytes what deleting it alone would free
    public record SnapshotInfo(
            String volume, String name, long sizeBytes, long uniqueBytes, long createdMillis) {}

    /// What differs between two points of a volume.
    ///
    /// @param ranges at least 4 KiB exact, ascending, not adjoining; at most
    ///   [ClusterAdmin#MAX_DIFF_RANGES]
    /// @param nextOffset where to go on, -1 when complete
    public record Diff(List<DiffRange> ranges, long changedBytes, long nextOffset) {}

    public record DiffRange(long offset, long length) {}
}
