package io.cistern.storage;

/// What a store does beside serving, for metrics.
///
/// @param checkpoints completed since it opened
/// @param lastCheckpointMillis how long the last one took; 0 before the first
/// @param dirtyRows changed rows that the next one will write
/// @param freedBytes slots that the next one makes usable again
/// @param branchesToCollect lines of epochs in which deleted snapshots or volumes have left garbage
public record StoreActivity(
        long checkpoints,
        long lastCheckpointMillis,
        long dirtyRows,
        long freedBytes,
        int branchesToCollect) {}
