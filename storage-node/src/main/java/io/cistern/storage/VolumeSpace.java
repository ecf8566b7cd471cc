package io.cistern.storage;

import java.util.List;

/// The space one volume takes, in bytes of whole slots.
///
/// @param provisionedBytes the volume's size
/// @param usedBytes slots on the volume's own branches (head and snapshots); what it shares with
///   the volume it was cloned from is counted there
/// @param headUniqueBytes what only the head needs
/// @param sharedBytes used by more than one of head, snapshots and clones
/// @param snapshots in order of creation
public record VolumeSpace(
        long volume,
        long provisionedBytes,
        long usedBytes,
        long headUniqueBytes,
        long sharedBytes,
        List<SnapshotSpace> snapshots) {
    /// @param uniqueBytes what deleting this snapshot alone would free
    public record SnapshotSpace(String name, long uniqueBytes) {}
}
